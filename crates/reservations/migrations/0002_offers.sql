-- The payment that came too late for its seats, on a hold that is offered instead of them. The claims of an offer have no
-- buyer (the nil id) until it is sold, so that it does not count against what the buyer may hold otherwise.
ALTER TABLE reservations ADD COLUMN offered_for UUID;

CREATE UNIQUE INDEX reservations_offered_for_showtime_id_key ON reservations (offered_for, showtime_id)
    WHERE offered_for IS NOT NULL;
