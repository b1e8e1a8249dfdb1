-- The sandbox bank's ledger: every operation that it carried out or declined, by the merchant's key. Only appended to.
CREATE TABLE bank_operations (
    idempotency_key TEXT NOT NULL PRIMARY KEY,
    payment_id UUID NOT NULL,
    operation TEXT NOT NULL,
    -- Minor units of the currency.
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    -- Why it was declined; NULL when it was carried out.
    decline_code TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX bank_operations_payment_id_idx ON bank_operations (payment_id);

-- What became of each authorisation.
CREATE TABLE bank_payments (
    payment_id UUID NOT NULL PRIMARY KEY,
    token TEXT NOT NULL,
    authorised BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    currency TEXT NOT NULL,
    voided BOOLEAN NOT NULL,
    CONSTRAINT bank_payments_captured_check CHECK (0 <= captured AND captured <= authorised),
    CONSTRAINT bank_payments_refunded_check CHECK (0 <= refunded AND refunded <= captured)
);

-- Requests that timed out before they had an effect, so that each does so once.
CREATE TABLE bank_timeouts (
    idempotency_key TEXT NOT NULL PRIMARY KEY
);
