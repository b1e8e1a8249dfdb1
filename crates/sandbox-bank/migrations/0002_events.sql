-- Payments that their buyer has to confirm.
CREATE TABLE bank_confirmations (
    payment_id UUID NOT NULL PRIMARY KEY,
    -- A part of the page's address that nobody can guess.
    secret UUID NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    -- WAITING, APPROVED, DECLINED or WITHDRAWN.
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Until when payments with a token `tok_down_N` find the bank down.
CREATE TABLE bank_outages (
    payment_id UUID NOT NULL PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
);

-- Webhooks, one for each operation; `due_at` is NULL once they were taken or given up.
CREATE TABLE bank_events (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    -- How often it is still to be sent.
    copies BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at TIMESTAMPTZ
);

CREATE INDEX bank_events_due_at_idx ON bank_events (due_at) WHERE due_at IS NOT NULL;
