-- Which of a payment's events are published: those up to this number. The past is not published anew.
ALTER TABLE payments ADD COLUMN published BIGINT NOT NULL DEFAULT 0;
UPDATE payments SET published = version;
CREATE INDEX payments_unpublished_idx ON payments (id) WHERE version > published;
