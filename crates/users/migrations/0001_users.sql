-- Accounts. A deleted one keeps its id and its times, so that bookings can be counted, and nothing personal.
CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT,
    -- The e-mail as it is compared: in lower case.
    email_folded TEXT UNIQUE,
    display_name TEXT,
    -- argon2id in PHC string format.
    password_hash TEXT,
    admin BOOLEAN NOT NULL,
    -- Ids of theaters, separated by spaces: always read with the account, never searched for.
    staff_of TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
    CONSTRAINT users_erased_check CHECK (
        deleted_at IS NULL
        OR (email IS NULL AND email_folded IS NULL AND display_name IS NULL AND password_hash IS NULL
            AND NOT admin AND staff_of = '')
    )
);

CREATE INDEX users_admin_idx ON users (id) WHERE admin;

-- One row per login; revoking it revokes every refresh token that came from it.
CREATE TABLE sessions (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    -- When its newest refresh token expires.
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);

CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Used tokens are kept until they would have expired: seeing one again means that it was stolen.
CREATE TABLE refresh_tokens (
    -- SHA-256 of the token.
    hash BYTEA NOT NULL PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);

CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at);

-- How often something was tried that may be tried only so often, in the window that began with the first try.
CREATE TABLE attempts (
    key TEXT NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX attempts_expires_at_idx ON attempts (expires_at);

-- The Ed25519 keys of access tokens. Each signs until the next one does.
CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    pkcs8 BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    signs_from TIMESTAMPTZ NOT NULL
);
