-- Which process publishes what this database has to tell, until when.
CREATE TABLE relay_leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
