-- Whether something was told of the row while somebody worked on it: it is then looked at again at once.
ALTER TABLE payments ADD COLUMN woken BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE refunds ADD COLUMN woken BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE cancelled_showtimes ADD COLUMN woken BOOLEAN NOT NULL DEFAULT FALSE;
