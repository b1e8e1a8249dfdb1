-- A statement mostly writes the changes of several showtimes: they are noted as unpublished together.
-- [postgres]
DROP TRIGGER seat_changes_are_published ON seat_history;
DROP FUNCTION seat_change_is_to_be_published();
CREATE FUNCTION seat_changes_are_to_be_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unpublished_changes (showtime_id, sequence) SELECT showtime_id, sequence FROM added;
    RETURN NULL;
END
$$;
CREATE TRIGGER seat_changes_are_published AFTER INSERT ON seat_history
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION seat_changes_are_to_be_published();
