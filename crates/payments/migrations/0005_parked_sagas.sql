-- What could not be finished by itself and waits for a person: the row `id` of the table `saga`, whose `due_at` is NULL
-- although it has not ended.
CREATE TABLE parked_sagas (
    saga TEXT NOT NULL,
    id UUID NOT NULL,
    payment_id UUID NOT NULL REFERENCES payments (id),
    parked_at TIMESTAMPTZ NOT NULL,
    -- What went wrong at the last attempt; for the platform's people.
    reason TEXT NOT NULL,
    PRIMARY KEY (saga, id)
);

CREATE INDEX parked_sagas_payment_id_idx ON parked_sagas (payment_id);
