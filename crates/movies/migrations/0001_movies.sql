CREATE TABLE movies (
    id UUID NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    -- The title without regard to case: what is searched and ordered by.
    title_key TEXT NOT NULL,
    synopsis TEXT NOT NULL,
    content_rating TEXT NOT NULL,
    running_time_minutes BIGINT,
    -- YYYY-MM-DD
    release_date TEXT,
    director TEXT NOT NULL,
    distributor TEXT NOT NULL,
    critics_score BIGINT,
    audience_score BIGINT,
    -- What an import knows the movie by; null when a person added it.
    import_key BYTEA UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Out of the catalogue since. The row stays for the showtimes of the past, and so that an import does not bring it back.
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL
);
CREATE INDEX movies_title_key_idx ON movies (title_key, id) WHERE deleted_at IS NULL;
CREATE INDEX movies_release_date_idx ON movies (release_date) WHERE deleted_at IS NULL;

CREATE TABLE movie_genres (
    movie_id UUID NOT NULL REFERENCES movies (id),
    position BIGINT NOT NULL,
    genre TEXT NOT NULL,
    PRIMARY KEY (movie_id, position)
);
CREATE INDEX movie_genres_genre_idx ON movie_genres (genre, movie_id);
