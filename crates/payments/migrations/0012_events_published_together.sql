-- A statement mostly writes the events of several payments: they are noted as unpublished together.
-- [postgres]
DROP TRIGGER payment_events_are_published ON payment_events;
DROP FUNCTION payment_event_is_to_be_published();
CREATE FUNCTION payment_events_are_to_be_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unpublished_events (payment_id, seq) SELECT payment_id, seq FROM added;
    RETURN NULL;
END
$$;
CREATE TRIGGER payment_events_are_published AFTER INSERT ON payment_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION payment_events_are_to_be_published();
