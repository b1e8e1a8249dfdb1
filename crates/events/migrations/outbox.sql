-- Events that are not yet published; each is deleted when it is, so that one whose transaction commits late is never
-- skipped. They are published in the order of `position`, which is taken while whoever changes an entity keeps others from
-- it. To SQLite BIGSERIAL is no more than a name: the column stays null there, and the table's own rowid is used.
CREATE TABLE outbox (
    id UUID NOT NULL PRIMARY KEY,
    position BIGSERIAL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    -- JSON.
    data TEXT NOT NULL
);
CREATE INDEX outbox_position_idx ON outbox (position);
