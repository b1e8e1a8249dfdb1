-- Most claims and reservations are changed once, moments after they were written: where their page has room, their
-- indexes stay as they are.
-- [postgres]
ALTER TABLE seat_claims SET (fillfactor = 85);
ALTER TABLE reservations SET (fillfactor = 85);
