-- From when on a key signs: scanners must have it before they meet a code that it signed. The first one signs at once.
ALTER TABLE ticket_keys ADD COLUMN signs_from TIMESTAMPTZ;
UPDATE ticket_keys SET signs_from = created_at;
