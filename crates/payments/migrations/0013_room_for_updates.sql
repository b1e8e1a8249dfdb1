-- Every checkout changes its payment several times within moments: where its page has room, its indexes stay as they are,
-- and of these one is enough for a reservation's payments, of which one alone may hold it.
DROP INDEX payments_reservation_id_idx;
DROP INDEX payments_reservation_id_key;
CREATE UNIQUE INDEX payments_reservation_id_key
    ON payments (reservation_id, (CASE WHEN holds_reservation THEN reservation_id ELSE id END));
-- That seats are sold is told by reservations: of what every checkout writes it alone is not told of the payment.
-- [postgres]
ALTER TABLE payments SET (fillfactor = 50);
CREATE OR REPLACE FUNCTION payment_events_are_to_be_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unpublished_events (payment_id, seq)
    SELECT payment_id, seq FROM added WHERE kind <> 'seats_confirmed';
    RETURN NULL;
END
$$;
-- [sqlite]
DROP TRIGGER payment_events_are_published;
CREATE TRIGGER payment_events_are_published AFTER INSERT ON payment_events WHEN NEW.kind <> 'seats_confirmed'
BEGIN
    INSERT INTO unpublished_events (payment_id, seq) VALUES (NEW.payment_id, NEW.seq);
END;
