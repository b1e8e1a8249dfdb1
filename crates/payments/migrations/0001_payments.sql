-- One payment is one checkout. `state` says which step comes next; whoever holds the `lease` may take it.
CREATE TABLE payments (
    id UUID NOT NULL PRIMARY KEY,
    reservation_id UUID NOT NULL,
    user_id UUID NOT NULL,
    theater_id UUID NOT NULL,
    showtime_id UUID NOT NULL,
    state TEXT NOT NULL,
    -- Minor units of the currency, in all amounts of a payment.
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    -- What was paid back, and what is promised to refunds whether or not they have ended.
    refunded BIGINT NOT NULL,
    refund_reserved BIGINT NOT NULL,
    provider TEXT NOT NULL,
    -- Until the provider has answered, and no longer.
    payment_token TEXT,
    -- The encoded request to issue the tickets: the seats as they were when the payment began.
    ticket_order BYTEA NOT NULL,
    -- Why it was declined or voided; empty where it was not.
    failure_reason TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    -- The idempotency key, of which the buyer is the scope.
    request_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    -- Counts the events.
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    -- Whether no other payment for the reservation may begin.
    holds_reservation BOOLEAN NOT NULL,
    -- When a worker may take it: the end of the lease or of the back-off. NULL when nothing is left to do.
    due_at TIMESTAMPTZ,
    lease UUID,
    attempts BIGINT NOT NULL,
    CONSTRAINT payments_refunded_check CHECK (0 <= refunded AND refunded <= refund_reserved AND refund_reserved <= amount),
    UNIQUE (user_id, request_id)
);

CREATE UNIQUE INDEX payments_reservation_id_key ON payments (reservation_id) WHERE holds_reservation;
CREATE INDEX payments_reservation_id_idx ON payments (reservation_id, id);
CREATE INDEX payments_due_at_idx ON payments (due_at) WHERE due_at IS NOT NULL;

-- The tickets that a payment bought; `refund_id` is the one refund that takes the ticket back.
CREATE TABLE payment_tickets (
    payment_id UUID NOT NULL REFERENCES payments (id),
    ordinal BIGINT NOT NULL,
    ticket_id UUID NOT NULL,
    seat TEXT NOT NULL,
    price BIGINT NOT NULL,
    refund_id UUID,
    PRIMARY KEY (payment_id, ordinal)
);

-- What happened, only ever appended to, in the transaction in which it happened.
CREATE TABLE payment_events (
    payment_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT,
    detail TEXT NOT NULL,
    PRIMARY KEY (payment_id, seq)
);

-- One refund, with a lease like a payment's.
CREATE TABLE refunds (
    id UUID NOT NULL PRIMARY KEY,
    payment_id UUID NOT NULL REFERENCES payments (id),
    reservation_id UUID NOT NULL,
    state TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    failure_reason TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    requested_by UUID NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    -- How much of the payment was refunded once this was.
    refunded_after BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    due_at TIMESTAMPTZ,
    lease UUID,
    attempts BIGINT NOT NULL,
    UNIQUE (requested_by, request_id)
);

CREATE INDEX refunds_payment_id_idx ON refunds (payment_id);
CREATE INDEX refunds_due_at_idx ON refunds (due_at) WHERE due_at IS NOT NULL;
