-- One row per showtime that was ever asked for seats. Every change of a showtime's seats adds one to `sequence` first:
-- so changes of one showtime happen one after the other, and their numbers have no gaps and are committed in order.
CREATE TABLE showtimes (
    showtime_id UUID NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    closed BOOLEAN NOT NULL
);

-- The present: who has which seat. That a seat has one row is what keeps it from being sold twice. A row whose hold has
-- expired is as good as none and is taken over by the next hold.
CREATE TABLE seat_claims (
    showtime_id UUID NOT NULL,
    seat TEXT NOT NULL,
    reservation_id UUID NOT NULL,
    user_id UUID NOT NULL,
    state TEXT NOT NULL CONSTRAINT seat_claims_state_check CHECK (state IN ('held', 'sold')),
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (showtime_id, seat)
);

-- Holds and sales. `seats` is what is read and written as one: labels, categories, prices, and which were freed.
CREATE TABLE reservations (
    id UUID NOT NULL PRIMARY KEY,
    showtime_id UUID NOT NULL,
    theater_id UUID NOT NULL,
    user_id UUID NOT NULL,
    state TEXT NOT NULL CONSTRAINT reservations_state_check CHECK (state IN ('held', 'confirmed', 'released')),
    seats BYTEA NOT NULL,
    total_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    payment_id UUID
);

CREATE INDEX reservations_user_id_id_idx ON reservations (user_id, id);

-- The past: one row per change, never changed itself. `seats` are labels, one per line. `expires_at` is the end of the
-- hold after `held` and `extended`.
CREATE TABLE seat_history (
    showtime_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL CONSTRAINT seat_history_kind_check
        CHECK (kind IN ('held', 'extended', 'sold', 'released', 'freed', 'closed')),
    reservation_id UUID,
    user_id UUID,
    seats TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (showtime_id, sequence)
);
