CREATE TABLE theaters (
    id UUID PRIMARY KEY,
    display_name TEXT NOT NULL,
    -- One line of the address per line.
    address_lines TEXT NOT NULL,
    postal_code TEXT NOT NULL,
    city TEXT NOT NULL,
    region TEXT NOT NULL,
    country_code TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    currency TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    version BIGINT NOT NULL
);

CREATE TABLE halls (
    id UUID PRIMARY KEY,
    theater_id UUID NOT NULL REFERENCES theaters (id),
    display_name TEXT NOT NULL,
    cleaning_minutes BIGINT NOT NULL,
    allow_orphan_seats BOOLEAN NOT NULL,
    -- The newest layout, 0 before there is one.
    layout_version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    version BIGINT NOT NULL
);

-- The name of a closed hall is free again.
CREATE UNIQUE INDEX halls_theater_id_display_name_key ON halls (theater_id, display_name) WHERE closed_at IS NULL;
CREATE INDEX halls_theater_id_id_idx ON halls (theater_id, id);

-- Rows are never changed.
CREATE TABLE layouts (
    hall_id UUID NOT NULL REFERENCES halls (id),
    version BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    -- The names of the categories, one per line.
    categories TEXT NOT NULL,
    -- The encoded message moviebooking.theaters.v1.Layout.
    message BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (hall_id, version)
);
