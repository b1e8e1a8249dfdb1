-- The ledger: every movement of money, only ever added to, in the transaction that writes the payment's event `seq`. One
-- row is both sides of a double entry, so that all accounts together are always zero: there is no way to write one side.
CREATE TABLE ledger (
    payment_id UUID NOT NULL REFERENCES payments (id),
    seq BIGINT NOT NULL,
    -- Tells the rows of one event apart.
    line BIGINT NOT NULL,
    booked_at TIMESTAMPTZ NOT NULL,
    movement TEXT NOT NULL,
    -- The accounts are kept for each theater, provider and currency.
    theater_id UUID NOT NULL,
    provider TEXT NOT NULL,
    currency TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    -- Minor units of the currency.
    amount BIGINT NOT NULL,
    -- Of a refund.
    refund_id UUID,
    PRIMARY KEY (payment_id, seq, line),
    CONSTRAINT ledger_amount_check CHECK (amount > 0),
    CONSTRAINT ledger_sides_check CHECK (debit <> credit)
);

CREATE INDEX ledger_booked_at_idx ON ledger (booked_at, payment_id, seq, line);

-- What moved before there was a ledger.
INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, debit, credit, amount)
SELECT p.id, e.seq, 1, e.happened_at, 'authorised', p.theater_id, p.provider, p.currency, 'provider_holds', 'buyer_holds', e.amount
FROM payment_events e JOIN payments p ON p.id = e.payment_id WHERE e.kind = 'authorised' AND e.amount > 0;

INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, debit, credit, amount)
SELECT p.id, e.seq, 1, e.happened_at, 'released', p.theater_id, p.provider, p.currency, 'buyer_holds', 'provider_holds', e.amount
FROM payment_events e JOIN payments p ON p.id = e.payment_id WHERE e.kind IN ('captured', 'voided') AND e.amount > 0;

INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, debit, credit, amount)
SELECT p.id, e.seq, 2, e.happened_at, 'captured', p.theater_id, p.provider, p.currency, 'provider_receivable', 'sales', e.amount
FROM payment_events e JOIN payments p ON p.id = e.payment_id WHERE e.kind = 'captured' AND e.amount > 0;

-- The refund of a checkout that failed has the payment's own id.
INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, debit, credit, amount, refund_id)
SELECT p.id, e.seq, 1, e.happened_at, 'refunded', p.theater_id, p.provider, p.currency, 'refunds', 'provider_receivable', e.amount,
    COALESCE((SELECT r.id FROM refunds r WHERE r.payment_id = p.id AND r.state = 'REFUNDED' AND r.updated_at = e.happened_at
        ORDER BY r.id LIMIT 1), p.id)
FROM payment_events e JOIN payments p ON p.id = e.payment_id WHERE e.kind = 'refunded' AND e.amount > 0;
