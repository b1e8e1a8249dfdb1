//! A service that is away: what needs it waits or is refused, the rest goes on.

use reqwest::header::RETRY_AFTER;
use serde_json::json;

use crate::{turn, wait_until};

#[tokio::test]
async fn without_tickets_everything_else_works_and_a_payment_is_completed_later() {
    let mut processes = turn().await;
    let (customer, showtime) = (processes.system.new_customer().await, processes.system.showtime().await);
    processes.platform.kill("tickets").unwrap();

    let refused = customer.get("/tickets").await;
    assert!(refused.headers.contains_key(RETRY_AFTER), "{:?}", refused.headers);
    refused.problem(503, "UNAVAILABLE");
    customer.get(&format!("/showtimes/{showtime}/seats")).await.ok();
    let body = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = customer.post("/reservations", body).await.ok();

    // The seats are confirmed and the money is taken; the tickets have to wait.
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let charged = customer.post("/payments/charge", charge).await;
    assert_ne!(charged.json["state"], "COMPLETED", "{}", charged.json);
    assert!(charged.status == 503 || charged.status.is_success(), "{}: {}", charged.status, charged.json);

    processes.platform.launch("tickets").unwrap();
    wait_until("the payment has its tickets", async || {
        let mine = customer.get("/payments").await.ok();
        mine["payments"][0]["state"] == "COMPLETED"
    })
    .await;
    let mine = customer.get("/tickets").await.ok();
    assert_eq!(mine["tickets"].as_array().unwrap().len(), 2);
}
