-- The keys that codes are signed with. Never deleted: a ticket is verified with the key that signed it.
CREATE TABLE ticket_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    pkcs8 BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- What was sold, as it was when it was issued. A ticket is valid until it is either checked in or voided.
CREATE TABLE tickets (
    id UUID NOT NULL PRIMARY KEY,
    payment_id UUID NOT NULL,
    reservation_id UUID NOT NULL,
    showtime_id UUID NOT NULL,
    theater_id UUID NOT NULL,
    user_id UUID NOT NULL,
    seat TEXT NOT NULL,
    seat_row TEXT NOT NULL,
    category TEXT NOT NULL,
    price_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    movie_title TEXT NOT NULL,
    theater_name TEXT NOT NULL,
    theater_address TEXT NOT NULL,
    hall_name TEXT NOT NULL,
    starts_at TIMESTAMPTZ NOT NULL,
    time_zone TEXT NOT NULL,
    code TEXT NOT NULL,
    issued_at TIMESTAMPTZ NOT NULL,
    checked_in_at TIMESTAMPTZ,
    checked_in_by UUID,
    voided_at TIMESTAMPTZ,
    void_reason TEXT,
    UNIQUE (payment_id, seat),
    CONSTRAINT tickets_check_in_check CHECK ((checked_in_at IS NULL) = (checked_in_by IS NULL)),
    CONSTRAINT tickets_void_check CHECK ((voided_at IS NULL) = (void_reason IS NULL)),
    CONSTRAINT tickets_one_end_check CHECK (checked_in_at IS NULL OR voided_at IS NULL)
);

-- A seat of a showtime has one ticket that lets somebody in.
CREATE UNIQUE INDEX tickets_showtime_id_seat_key ON tickets (showtime_id, seat) WHERE voided_at IS NULL;

CREATE INDEX tickets_user_id_id_idx ON tickets (user_id, id);
CREATE INDEX tickets_showtime_id_id_idx ON tickets (showtime_id, id);
