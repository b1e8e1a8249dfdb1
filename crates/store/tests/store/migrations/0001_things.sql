CREATE TABLE things (
    id UUID PRIMARY KEY,
    name TEXT UNIQUE,
    number BIGINT,
    flag BOOLEAN,
    bytes BYTEA,
    at TIMESTAMPTZ,
    CONSTRAINT things_number_check CHECK (number <> 13)
);

CREATE UNIQUE INDEX things_number_flag_key ON things (number, flag) WHERE at IS NULL;

CREATE TABLE parts (
    thing UUID NOT NULL REFERENCES things (id),
    part BIGINT NOT NULL,
    PRIMARY KEY (thing, part)
);

-- A comment with a semicolon; and a quote's end.
INSERT INTO parts (thing, part) SELECT id, 1 FROM things;
