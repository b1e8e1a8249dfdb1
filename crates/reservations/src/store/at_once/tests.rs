//! What is written together, and what is not.

use futures::future::join_all;
use jiff::Timestamp;
use moviebooking_domain::{
    id::{ReservationId, ShowtimeId, TheaterId, UserId},
    money::Money,
};
use moviebooking_proto::reservations::v1::ReservedSeat;
use moviebooking_store::{idempotency::Request, testing::TestDb};
use uuid::Uuid;

use super::*;
use crate::{
    MIGRATIONS,
    audit::audit,
    reservation::{State, after},
    store::Turn,
};

const LASTS: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

fn reservation(showtime: ShowtimeId, now: Timestamp, seats: &[&str]) -> Reservation {
    let seats = seats.iter().map(|label| ReservedSeat { label: (*label).to_owned(), ..Default::default() });
    Reservation {
        id: ReservationId::new(now),
        showtime,
        theater: TheaterId::new(now),
        user: UserId::new(now),
        state: State::Held,
        seats: seats.collect(),
        total: Money::new(0, "EUR".parse().unwrap()),
        expires_at: after(now, LASTS),
        created_at: now,
        updated_at: now,
        payment: None,
        offered_for: None,
    }
}

fn key(id: &str, now: Timestamp) -> [Value; 6] {
    Request::required("buyer", id, "hold", &()).unwrap().row(&(), now).unwrap()
}

#[tokio::test]
async fn it_writes_everything_or_nothing() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let db = database.db();
    let at_once = AtOnce::new(db);
    let now: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
    let showtime = ShowtimeId::from(Uuid::now_v7());
    let hold = async |sequence, seats: &[&str], id: &str, now| {
        at_once.hold(&reservation(showtime, now, seats), sequence, key(id, now)).await
    };
    assert_eq!(hold(0, &["A1", "A2"], "one", now).await.unwrap().unwrap().sequence, 1);
    assert_eq!(hold(0, &["B1"], "two", now).await.unwrap(), None, "the showtime has changed since");
    assert_eq!(hold(1, &["B1"], "two", now).await.unwrap().unwrap().sequence, 2);
    let used = hold(2, &["C1"], "one", now).await.unwrap_err();
    assert!(used.is_unique("idempotency_keys_pkey"), "{used:?}");
    let taken = hold(2, &["C1", "A1"], "three", now).await.unwrap_err();
    assert!(matches!(taken, StoreError::CheckViolation { .. }), "{taken:?}");
    assert_eq!(hold(2, &["C1", "A1"], "three", after(now, LASTS)).await.unwrap().unwrap().sequence, 3);
    let mut turn = Turn::take(db, showtime).await.unwrap();
    turn.close(now).await.unwrap();
    turn.commit().await.unwrap();
    assert_eq!(hold(4, &["D1"], "four", now).await.unwrap(), None, "the showtime is closed");
    let keys = sql("SELECT COUNT(*) AS keys FROM idempotency_keys").fetch_one(db).await.unwrap();
    assert_eq!(keys.get::<i64>("keys").unwrap(), 3);
    assert_eq!(audit(db).await.unwrap(), []);
}

#[tokio::test]
async fn a_sale_takes_all_of_a_hold_that_is_what_it_was_or_nothing() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let db = database.db();
    let at_once = AtOnce::new(db);
    let now: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
    let showtime = ShowtimeId::from(Uuid::now_v7());
    let held = reservation(showtime, now, &["A1", "A2"]);
    at_once.hold(&held, 0, key("one", now)).await.unwrap().unwrap();
    let paid = |updated_at| Reservation {
        state: State::Confirmed,
        payment: Some(Uuid::now_v7().into()),
        updated_at,
        ..held.clone()
    };
    let later = after(now, jiff::SignedDuration::from_secs(1));
    let stale = Reservation { updated_at: later, ..held.clone() };
    let lost =
        |sold: Result<Option<Change>, StoreError>| matches!(sold, Err(StoreError::CheckViolation { .. }));
    assert!(lost(at_once.sell(&stale, &paid(later)).await), "it has changed since");

    // A replica whose clock is ahead gives one of the seats to another buyer.
    let late = reservation(showtime, after(now, LASTS), &["A2"]);
    at_once.hold(&late, 1, key("two", late.created_at)).await.unwrap().unwrap();
    assert!(lost(at_once.sell(&held, &paid(later)).await), "a seat is another's");
    assert_eq!(audit(db).await.unwrap(), []);

    let (bought, at) = (paid(later), after(late.created_at, jiff::SignedDuration::from_secs(1)));
    let bought =
        Reservation { id: late.id, seats: late.seats.clone(), user: late.user, updated_at: at, ..bought };
    let change = at_once.sell(&late, &bought).await.unwrap().unwrap();
    assert_eq!((change.sequence, change.kind), (3, ChangeKind::Sold));
    assert!(lost(at_once.sell(&late, &bought).await), "it is sold");
    let stored = crate::store::reservation(db, late.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.payment), (State::Confirmed, bought.payment));
    assert_eq!(audit(db).await.unwrap(), []);
}

#[tokio::test]
async fn those_that_come_together_each_have_their_own_end() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let db = database.db();
    let at_once = AtOnce::new(db);
    let now: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
    // In the order of their showtimes they are another.
    let mut showtimes: Vec<ShowtimeId> = (0..4).map(|_| ShowtimeId::from(Uuid::now_v7())).collect();
    showtimes.reverse();
    let other = reservation(showtimes[1], now, &["A2"]);
    at_once.hold(&other, 0, key("other", now)).await.unwrap().unwrap();
    let mut turn = Turn::take(db, showtimes[3]).await.unwrap();
    turn.close(now).await.unwrap();
    turn.commit().await.unwrap();

    let held: Vec<Reservation> =
        showtimes.iter().map(|showtime| reservation(*showtime, now, &["A1", "A2"])).collect();
    let holds = held
        .iter()
        .zip([0, 1, 0, 1])
        .map(|(held, sequence)| at_once.hold(held, sequence, key(&held.id.to_string(), now)));
    let holds = join_all(holds).await;
    let [Ok(Some(first)), Err(StoreError::CheckViolation { .. }), Ok(Some(third)), Ok(None)] = &holds[..]
    else {
        panic!("{holds:?}")
    };
    assert_eq!(
        [first, third].map(|change| (change.sequence, change.reservation)),
        [(1, Some(held[0].id)), (1, Some(held[2].id))]
    );
    assert_eq!(audit(db).await.unwrap(), []);

    let paid = |held: &Reservation| Reservation {
        state: State::Confirmed,
        payment: Some(Uuid::now_v7().into()),
        updated_at: now,
        ..held.clone()
    };
    // A seat of the second is another's, and two payments are for the third.
    let bought = [&held[0], &held[1], &held[2], &held[2], &other].map(paid);
    let before = [&held[0], &held[1], &held[2], &held[2], &other];
    let sales = join_all(before.iter().zip(&bought).map(|(before, to)| at_once.sell(before, to))).await;
    let sold: Vec<Option<i64>> =
        sales.iter().map(|sale| sale.as_ref().ok()?.as_ref().map(|change| change.sequence)).collect();
    assert_eq!((sold[0], sold[1], sold[4]), (Some(2), None, Some(2)), "{sales:?}");
    let winner = if sold[2].is_some() { 2 } else { 3 };
    assert_eq!((sold[winner], sold[5 - winner]), (Some(2), None), "{sales:?}");
    let third = crate::store::reservation(db, held[2].id).await.unwrap().unwrap();
    assert_eq!((third.state, third.payment), (State::Confirmed, bought[winner].payment));
    assert_eq!(audit(db).await.unwrap(), []);
}
