//! A payment that comes after its hold has expired, on a platform whose clock the test sets.

use jiff::SignedDuration;
use moviebooking_domain::clock::{Clock as _, ManualClock, SystemClock};
use moviebooking_tests::{Rest, System};
use serde_json::{Value, json};

/// Pays with a card whose bank takes its time, and calls `meanwhile` once the payment is under way.
async fn pay_late(
    buyer: &Rest,
    hold: &Value,
    meanwhile: impl Future<Output = ()>,
) -> moviebooking_tests::Answer {
    let bill = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_slow"});
    let paying = buyer.post_until_done("/payments/charge", bill);
    let path = format!("/payments?reservationId={}", hold["id"].as_str().unwrap());
    let meanwhile = async {
        while buyer.get(&path).await.ok()["payments"].as_array().is_none_or(Vec::is_empty) {}
        meanwhile.await;
    };
    tokio::join!(paying, meanwhile).0
}

async fn hold(buyer: &Rest, showtime: &str, seats: &Value) -> Value {
    buyer.post("/reservations", json!({"showtimeId": showtime, "seats": seats})).await.ok()
}

#[tokio::test]
async fn late_money_gets_its_seats_or_offers_and_its_money_back() {
    let clock = ManualClock::at(SystemClock.now());
    let system = System::start_by(clock.clone());
    let showtime = system.showtime().await;
    let buyer = system.new_customer().await;
    let wanted = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let first = buyer.post("/reservations", wanted).await.ok();

    // Nobody else wants the seats.
    let expire = || clock.advance(SignedDuration::from_mins(11));
    let paid = pay_late(&buyer, &first, async { expire() }).await.ok();
    assert_eq!((paid["state"].as_str(), paid["ticketIds"].as_array().unwrap().len()), (Some("COMPLETED"), 2));

    // Somebody else does.
    let (buyer, rival) = (system.new_customer().await, system.new_customer().await);
    let wanted = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let lost = buyer.post("/reservations", wanted).await.ok();
    let seats: Value = lost["seats"].as_array().unwrap().iter().map(|seat| seat["label"].clone()).collect();
    let taken = async {
        expire();
        hold(&rival, &showtime, &seats).await;
    };
    let refused = pay_late(&buyer, &lost, taken).await.problem(409, "PAYMENT_VOIDED");
    let told = &refused["metadata"];
    assert_eq!(told["cause"], "HOLD_EXPIRED", "{refused}");
    let payment = buyer.get(&format!("/payments/{}", told["payment_id"].as_str().unwrap())).await.ok();
    assert_eq!((&payment["state"], payment["offers"].as_array().unwrap().len()), (&json!("VOIDED"), 3));
    assert_eq!(payment["offers"][0]["reservationId"], told["offers[0].reservation_id"]);
    assert_eq!(payment["offers"][0]["showtimeId"], json!(showtime));
    assert_ne!(payment["offers"][1]["showtimeId"], json!(showtime));

    // An offer is a hold like any other, and buying one gives the others back.
    let [offer, other] =
        [0, 1].map(|index| payment["offers"][index]["reservationId"].as_str().unwrap().to_owned());
    let bill = json!({"reservationId": offer, "amount": payment["offers"][0]["total"], "paymentToken": "tok_approve"});
    assert_eq!(buyer.post("/payments/charge", bill).await.ok()["state"], "COMPLETED");
    assert_eq!(buyer.get(&format!("/reservations/{other}")).await.ok()["state"], "RELEASED");
}
