-- The provider's own id of the payment; empty until it has given one.
ALTER TABLE payments ADD COLUMN provider_reference TEXT NOT NULL DEFAULT '';

-- While the buyer has to confirm the payment: where, or with what secret of the provider's, and until when.
ALTER TABLE payments ADD COLUMN action_url TEXT;
ALTER TABLE payments ADD COLUMN action_secret TEXT;
ALTER TABLE payments ADD COLUMN confirm_by TIMESTAMPTZ;

-- The events that providers told of, each written in the transaction that acts on it, so that none is acted on twice.
CREATE TABLE provider_events (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payment_id UUID,
    received_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, event_id)
);

CREATE INDEX provider_events_received_at_idx ON provider_events (received_at);
