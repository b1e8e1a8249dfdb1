CREATE TABLE webhooks (
    id UUID NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    -- Patterns, one per line.
    event_types TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Why nothing is sent; empty while it is.
    disabled_reason TEXT NOT NULL,
    -- Needed to sign with, so it is kept as it is.
    secret TEXT NOT NULL,
    -- What is signed with as well, until then.
    old_secret TEXT,
    old_secret_until TIMESTAMPTZ,
    last_success_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);

-- One event for one webhook: the queue and the log. That an event is there once is what makes taking it idempotent.
CREATE TABLE webhook_deliveries (
    id UUID NOT NULL PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (id),
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL
        CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED')),
    attempts BIGINT NOT NULL,
    -- When it may be sent: the end of the back-off, or of the lease of who is sending it. Null when nothing is left to do.
    due_at TIMESTAMPTZ,
    lease UUID,
    -- Of the last answer; 0 and empty where there was none.
    response_status BIGINT NOT NULL,
    error TEXT NOT NULL,
    duration_millis BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_webhook_id_idx ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_due_at_idx ON webhook_deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;
