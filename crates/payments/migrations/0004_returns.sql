-- How the buyer may return a ticket: until when, and what is then kept of its price. NULL where only staff pays back.
ALTER TABLE payment_tickets ADD COLUMN returnable_until TIMESTAMPTZ;
ALTER TABLE payment_tickets ADD COLUMN return_fee BIGINT;

-- What was kept of the prices of returned tickets.
ALTER TABLE payments ADD COLUMN fees BIGINT NOT NULL DEFAULT 0;

-- What the refund keeps; what was kept in all once it was done; whether tickets that were let in stay as they are.
ALTER TABLE refunds ADD COLUMN fee BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN fees_after BIGINT;
ALTER TABLE refunds ADD COLUMN leave_checked_in BOOLEAN NOT NULL DEFAULT FALSE;

-- The showtimes that were cancelled, all of whose payments are refunded; with a lease like a payment's.
CREATE TABLE cancelled_showtimes (
    id UUID NOT NULL PRIMARY KEY,
    theater_id UUID NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    due_at TIMESTAMPTZ,
    lease UUID,
    attempts BIGINT NOT NULL
);

CREATE INDEX cancelled_showtimes_due_at_idx ON cancelled_showtimes (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_showtime_id_idx ON payments (showtime_id);

-- A payment for an exchange: the payment whose tickets it replaces, the refund that takes these back, and what they are
-- worth in it. `carried_back` is what of that is promised to refunds of the new tickets.
ALTER TABLE payments ADD COLUMN exchange_of UUID;
ALTER TABLE payments ADD COLUMN exchange_refund_id UUID;
ALTER TABLE payments ADD COLUMN carried_in BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN carried_back BIGINT NOT NULL DEFAULT 0;

-- What of this payment has paid for tickets of other payments, by exchange.
ALTER TABLE payments ADD COLUMN carried_out BIGINT NOT NULL DEFAULT 0;

-- What the refund takes from the payment that its payment's tickets were exchanged from, and how much that was in all once
-- it was done.
ALTER TABLE refunds ADD COLUMN carried BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN carried_after BIGINT;
