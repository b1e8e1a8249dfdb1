-- What was held for the buyer of a payment that came too late for its seats: encoded, as it was answered.
CREATE TABLE payment_offers (
    payment_id UUID NOT NULL PRIMARY KEY REFERENCES payments (id),
    offers BYTEA NOT NULL
);
