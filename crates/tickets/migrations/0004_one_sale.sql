-- The payment, in the first of its tickets alone: of two calls that issue tickets for one payment the second is refused,
-- whatever seats it names. Of payments before this was kept all calls have ended.
ALTER TABLE tickets ADD COLUMN first_of_payment UUID;
CREATE UNIQUE INDEX tickets_first_of_payment_key ON tickets (first_of_payment) WHERE first_of_payment IS NOT NULL;
