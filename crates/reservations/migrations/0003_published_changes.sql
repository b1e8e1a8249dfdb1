-- Which of a showtime's changes are published: those up to this number. `unpublished` is set with each change, so that the
-- showtimes with something to publish are found however many there are; a change of one that has it already costs nothing
-- more. The past is not published anew.
ALTER TABLE showtimes ADD COLUMN published BIGINT NOT NULL DEFAULT 0;
ALTER TABLE showtimes ADD COLUMN unpublished BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE showtimes SET published = sequence;
CREATE INDEX showtimes_unpublished_idx ON showtimes (showtime_id) WHERE unpublished;
