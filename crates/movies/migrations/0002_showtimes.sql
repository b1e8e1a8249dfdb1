CREATE TABLE showtimes (
    id UUID NOT NULL PRIMARY KEY,
    movie_id UUID NOT NULL REFERENCES movies (id),
    hall_id UUID NOT NULL,
    theater_id UUID NOT NULL,
    layout_version BIGINT NOT NULL,
    start_time TIMESTAMPTZ NOT NULL,
    end_time TIMESTAMPTZ NOT NULL,
    -- The end and the cleaning after it: from here on the hall can be used again.
    hall_free_time TIMESTAMPTZ NOT NULL,
    -- YYYY-MM-DDTHH:MM:SS+hh:mm and its date, in the theater's time zone.
    local_start_time TEXT NOT NULL,
    local_date TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- Of all prices.
    currency TEXT NOT NULL,
    sales_start_time TIMESTAMPTZ,
    sales_end_time TIMESTAMPTZ,
    format TEXT NOT NULL,
    theater_name TEXT NOT NULL,
    hall_name TEXT NOT NULL,
    -- Null while it is scheduled.
    cancelled_at TIMESTAMPTZ,
    cancel_reason TEXT NOT NULL,
    -- Whether reservations know that it is cancelled and have released its holds.
    close_acknowledged BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT showtimes_times_check CHECK (start_time < end_time AND end_time <= hall_free_time)
);
CREATE INDEX showtimes_start_time_idx ON showtimes (start_time, id);
CREATE INDEX showtimes_movie_id_idx ON showtimes (movie_id, start_time, id);
CREATE INDEX showtimes_theater_id_idx ON showtimes (theater_id, local_date, start_time, id);
CREATE INDEX showtimes_hall_id_idx ON showtimes (hall_id, start_time, id);
CREATE INDEX showtimes_local_date_idx ON showtimes (local_date, start_time, id);
CREATE INDEX showtimes_unclosed_idx ON showtimes (cancelled_at)
    WHERE cancelled_at IS NOT NULL AND NOT close_acknowledged;

CREATE TABLE showtime_prices (
    showtime_id UUID NOT NULL REFERENCES showtimes (id),
    position BIGINT NOT NULL,
    category TEXT NOT NULL,
    -- In minor units of the showtime's currency.
    price_minor BIGINT NOT NULL,
    PRIMARY KEY (showtime_id, position)
);
