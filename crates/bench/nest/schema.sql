-- users: TypeORM maps these tables, it does not make them.
CREATE TABLE users (
    id    uuid PRIMARY KEY,
    name  text NOT NULL,
    email text NOT NULL UNIQUE
);
INSERT INTO users
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Moviegoer ' || n, 'moviegoer' || n || '@example.com'
  FROM generate_series(0, 9999) AS n;
ANALYZE users;
-- reservations
CREATE TABLE reservations (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    showtime_id uuid        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE reserved_seats (
    showtime_id    uuid NOT NULL,
    seat           int  NOT NULL,
    reservation_id uuid NOT NULL,
    PRIMARY KEY (showtime_id, seat)
);
