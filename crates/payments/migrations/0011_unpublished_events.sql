-- The events that are not known to be published, each until it is. They have rows of their own, so that noting what is
-- published does not wait for who works on the payment, nor the other way round. The database adds them itself: no event
-- can be written that is not published.
CREATE TABLE unpublished_events (
    payment_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (payment_id, seq)
);
INSERT INTO unpublished_events (payment_id, seq)
SELECT e.payment_id, e.seq FROM payments p JOIN payment_events e ON e.payment_id = p.id AND e.seq > p.published
WHERE p.version > p.published;
DROP INDEX payments_unpublished_idx;
ALTER TABLE payments DROP COLUMN published;
-- [postgres]
CREATE FUNCTION payment_event_is_to_be_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unpublished_events (payment_id, seq) VALUES (NEW.payment_id, NEW.seq);
    RETURN NULL;
END
$$;
CREATE TRIGGER payment_events_are_published AFTER INSERT ON payment_events
    FOR EACH ROW EXECUTE FUNCTION payment_event_is_to_be_published();
-- [sqlite]
CREATE TRIGGER payment_events_are_published AFTER INSERT ON payment_events
BEGIN
    INSERT INTO unpublished_events (payment_id, seq) VALUES (NEW.payment_id, NEW.seq);
END;
