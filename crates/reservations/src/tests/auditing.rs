//! The audit finds what it is for: each invariant, broken on purpose.

use moviebooking_proto::reservations::v1 as wire;
use moviebooking_store::{Sql, sql};

use super::{everywhere, world::World};
use crate::audit::audit;

/// Two seats sold, two held, two held and expired.
async fn trade(world: &World) -> wire::Reservation {
    let sold = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
    world.confirm(&sold.id, world.payment()).await.unwrap();
    world.hold(&world.buyer(), &["B1", "B2"]).await.unwrap();
    world.later(10);
    world.hold(&world.buyer(), &["C1", "C2"]).await.unwrap();
    world.must_be_sound().await;
    sold
}

/// What the audit says after a statement that nobody may execute.
async fn after(world: &World, statement: Sql) -> String {
    assert!(statement.execute(world.database.db()).await.unwrap() > 0);
    let violations = audit(world.database.db()).await.unwrap();
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

macro_rules! finds {
    ($($name:ident: $statement:literal => $found:literal;)+) => {
        everywhere! {$(
            async fn $name(world: World) {
                trade(&world).await;
                let found = after(&world, sql($statement)).await;
                assert!(found.contains($found), "{found}");
            }
        )+}
    };
}

finds! {
    a_seat_sold_twice:
        "INSERT INTO seat_history SELECT showtime_id, 5, 'held', showtime_id, user_id, seats, expires_at, at \
         FROM seat_history WHERE sequence = 1" => "A1 was held while sold to";
    a_seat_held_by_two:
        "INSERT INTO seat_history SELECT showtime_id, 5, 'held', showtime_id, user_id, seats, expires_at, at \
         FROM seat_history WHERE sequence = 4" => "C1 was held while held to";
    a_sale_after_the_end_of_the_hold:
        "INSERT INTO seat_history SELECT showtime_id, 5, 'sold', reservation_id, user_id, seats, NULL, expires_at \
         FROM seat_history WHERE sequence = 3" => "B1 was sold by";
    a_sale_without_a_hold:
        "INSERT INTO seat_history SELECT showtime_id, 5, 'sold', reservation_id, user_id, 'A5', NULL, at \
         FROM seat_history WHERE sequence = 3" => "A5 was sold by";
    a_sale_that_was_freed_as_a_hold:
        "INSERT INTO seat_history SELECT showtime_id, 5, 'released', reservation_id, user_id, seats, NULL, at \
         FROM seat_history WHERE sequence = 2" => "A1 was released by";
    a_hold_after_the_showtime_was_closed:
        "UPDATE seat_history SET kind = 'closed', seats = '' WHERE sequence = 2" => "held although the showtime was closed";
    a_gap_in_the_history: "DELETE FROM seat_history WHERE sequence = 2" => "the history has a gap before it, at 2";
    an_end_of_the_history_that_is_missing:
        "DELETE FROM seat_history WHERE sequence = 4" => "the showtime is at 4, its history at 3";
    a_claim_that_the_history_does_not_have:
        "UPDATE seat_claims SET state = 'sold' WHERE seat = 'C1'" => "C1 is sold to";
    a_claim_that_is_gone: "DELETE FROM seat_claims WHERE seat = 'A1'" => "A1 is free, in the history sold to";
    a_reservation_that_the_history_does_not_have:
        "UPDATE reservations SET state = 'released' WHERE state = 'confirmed'" => "in the history confirmed";
    a_sale_without_a_payment: "UPDATE reservations SET payment_id = NULL WHERE state = 'confirmed'" => "is confirmed";
    a_reservation_that_is_gone:
        "DELETE FROM reservations WHERE state = 'confirmed'" => "2 reservations are stored, 3 in the history";
}

everywhere! {
    async fn a_hold_that_lasts_too_long(world: World) {
        trade(&world).await;
        let too_long = crate::reservation::after(moviebooking_domain::clock::Clock::now(&*world.clock), jiff::SignedDuration::from_mins(31));
        let statement = "INSERT INTO seat_history SELECT showtime_id, 5, 'extended', reservation_id, user_id, seats, $1, at \
                         FROM seat_history WHERE sequence = 4";
        let found = after(&world, sql(statement).bind(too_long)).await;
        assert!(found.contains("was made to last too long"), "{found}");
    }

    async fn a_buyer_with_too_many_seats(world: World) {
        trade(&world).await;
        let seats: Vec<String> = (1..=11).map(|number| format!("X{number}")).collect();
        let statement = "INSERT INTO seat_history SELECT showtime_id, 5, 'held', showtime_id, user_id, $1, expires_at, at \
                         FROM seat_history WHERE sequence = 3";
        let found = after(&world, sql(statement).bind(seats.join("\n"))).await;
        assert!(found.contains("a buyer has 13 seats"), "{found}");
    }
}
