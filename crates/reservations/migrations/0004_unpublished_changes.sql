-- The changes that are not known to be published, each until it is. They have rows of their own, so that noting what is
-- published does not wait for who changes the showtime, nor the other way round. The database adds them itself: no change
-- can be written that is not published.
CREATE TABLE unpublished_changes (
    showtime_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (showtime_id, sequence)
);
INSERT INTO unpublished_changes (showtime_id, sequence)
SELECT h.showtime_id, h.sequence FROM showtimes s
JOIN seat_history h ON h.showtime_id = s.showtime_id AND h.sequence > s.published WHERE s.unpublished;
DROP INDEX showtimes_unpublished_idx;
ALTER TABLE showtimes DROP COLUMN published;
ALTER TABLE showtimes DROP COLUMN unpublished;
-- [postgres]
CREATE FUNCTION seat_change_is_to_be_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unpublished_changes (showtime_id, sequence) VALUES (NEW.showtime_id, NEW.sequence);
    RETURN NULL;
END
$$;
CREATE TRIGGER seat_changes_are_published AFTER INSERT ON seat_history
    FOR EACH ROW EXECUTE FUNCTION seat_change_is_to_be_published();
-- [sqlite]
CREATE TRIGGER seat_changes_are_published AFTER INSERT ON seat_history
BEGIN
    INSERT INTO unpublished_changes (showtime_id, sequence) VALUES (NEW.showtime_id, NEW.sequence);
END;
