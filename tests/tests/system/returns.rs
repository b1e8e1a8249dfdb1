//! What buyers get back: tickets that they return or exchange, and showtimes that are cancelled.

use moviebooking_tests::{Rest, System};
use serde_json::{Value, json};

use crate::booking::buy;

fn minor(money: &Value) -> i64 {
    money["amountMinor"].as_str().and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

async fn seat_state(system: &System, showtime: &str, label: &Value) -> Value {
    let map = system.rest().get(&format!("/showtimes/{showtime}/seats")).await.ok();
    let rows = map["rows"].as_array().unwrap();
    let mut seats = rows.iter().flat_map(|row| row["seats"].as_array().unwrap());
    seats.find(|seat| seat["label"] == *label).unwrap()["state"].clone()
}

async fn ticket(customer: &Rest, id: &Value) -> Value {
    customer.get(&format!("/tickets/{}", id.as_str().unwrap())).await.ok()
}

#[tokio::test]
async fn a_buyer_returns_a_ticket_for_the_fee_that_it_shows() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let paid = buy(&customer, &showtime).await;
    let returned = ticket(&customer, &paid["ticketIds"][0]).await;
    let points = returned["refundPolicy"]["feeBasisPoints"].as_i64().unwrap();
    let fee = (minor(&returned["price"]) * points * 2 + 10_000) / 20_000;
    let path = format!("/payments/{}/refund", paid["id"].as_str().unwrap());
    let one = json!({"ticketIds": [paid["ticketIds"][0]]});
    let refund = customer.post(&path, one.clone()).await.ok();
    assert_eq!(refund["state"], "PARTIALLY_REFUNDED");
    assert_eq!(
        (minor(&refund["feeKept"]), minor(&refund["refunded"])),
        (fee, minor(&returned["price"]) - fee)
    );
    assert_eq!(ticket(&customer, &paid["ticketIds"][0]).await["state"], "VOID");
    assert_eq!(seat_state(system, &showtime, &returned["seat"]).await, "FREE");
    customer.post(&path, one).await.bad_field(409, "TICKET_VOID", "ticketIds[0]");
    // A ticket that was let in is not returned.
    let other = ticket(&customer, &paid["ticketIds"][1]).await;
    system.staff().await.post("/tickets/check-in", json!({"code": other["code"]})).await.ok();
    customer.post(&path, json!({})).await.problem(409, "TICKET_ALREADY_CHECKED_IN");
    let amount = json!({"amount": {"amountMinor": "1", "currencyCode": "EUR"}});
    customer.post(&path, amount).await.bad_field(403, "PERMISSION_DENIED", "amount");
}

#[tokio::test]
async fn a_buyer_exchanges_tickets_for_another_showtime() {
    let system = crate::system();
    let customer = system.new_customer().await;
    let (from, to) = (system.showtime().await, system.showtime().await);
    let old = buy(&customer, &from).await;
    let old_ticket = ticket(&customer, &old["ticketIds"][0]).await;
    let wanted = json!({"showtimeId": to, "bestAvailable": {"count": 1, "category": "premium"}});
    let hold = customer.post("/reservations", wanted).await.ok();
    let more = minor(&hold["total"]) - minor(&old_ticket["price"]);
    let mut swap = json!({"ticketIds": [old["ticketIds"][0]], "reservationId": hold["id"]});
    if more > 0 {
        swap["amount"] = json!({"amountMinor": more.to_string(), "currencyCode": "EUR"});
        swap["paymentToken"] = json!("tok_approve");
    }
    let path = format!("/payments/{}/exchange", old["id"].as_str().unwrap());
    let new = customer.post(&path, swap).await.ok();
    assert_eq!((&new["state"], &new["exchangeOf"]), (&json!("COMPLETED"), &old["id"]));
    assert_eq!(minor(&new["amount"]), more.max(0));
    let new_ticket = ticket(&customer, &new["ticketIds"][0]).await;
    assert_eq!((&new_ticket["state"], &new_ticket["showtimeId"]), (&json!("VALID"), &json!(to)));
    assert_eq!(ticket(&customer, &old["ticketIds"][0]).await["state"], "VOID");
    assert_eq!(ticket(&customer, &old["ticketIds"][1]).await["state"], "VALID");
    assert_eq!(seat_state(system, &from, &old_ticket["seat"]).await, "FREE");
}

#[tokio::test]
async fn a_cancelled_showtime_is_refunded_in_the_background() {
    let system = crate::system();
    let (one, other, staff) =
        (system.new_customer().await, system.new_customer().await, system.staff().await);
    let showtime = system.showtime().await;
    let paid = [buy(&one, &showtime).await, buy(&other, &showtime).await];
    let path = format!("/showtimes/{showtime}/refunds");
    staff.get(&path).await.problem(404, "SHOWTIME_NOT_FOUND");
    staff.post(&format!("/showtimes/{showtime}/cancel"), json!({"reason": "no projector"})).await.ok();
    let refunds = loop {
        let refunds = staff.get(&path).await.ok();
        if refunds["done"] == true {
            break refunds;
        }
    };
    one.get(&path).await.problem(403, "PERMISSION_DENIED");
    let count = refunds["paymentCount"].as_i64().unwrap();
    assert!(count >= 2 && refunds["refundedCount"] == count, "{refunds}");
    for (customer, paid) in [one, other].iter().zip(&paid) {
        let refunded = customer.get(&format!("/payments/{}", paid["id"].as_str().unwrap())).await.ok();
        assert_eq!((&refunded["state"], &refunded["refunded"]), (&json!("REFUNDED"), &paid["amount"]));
        assert_eq!(ticket(customer, &paid["ticketIds"][0]).await["state"], "VOID");
    }
}
