//! Payments that their buyer has to confirm, and what a payment provider tells over REST.

use moviebooking_tests::{Rest, key};
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// Holds a seat and pays for it with a token; the request can be repeated with the same key.
async fn charge(customer: &Rest, hold: &Value, token: &str, key: &str) -> Value {
    let body = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": token});
    let request = customer.request(Method::POST, "/payments/charge").header("idempotency-key", key);
    customer.send(request.json(&body)).await.ok()
}

/// The bank's page on which the buyer decides.
fn page(payment: &Value) -> String {
    let url = payment["buyerAction"]["url"].as_str().unwrap();
    // A platform that was told to choose a port does not know it when it makes the address.
    url.replace("//127.0.0.1:0/", &format!("//{}/", crate::system().address))
}

/// The buyer decides on the bank's page.
async fn decide(payment: &Value, decision: &str) -> StatusCode {
    let url = page(payment);
    let client = reqwest::Client::new();
    let page = client.get(&url).send().await.unwrap();
    assert_eq!(
        (page.status(), page.headers()[CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    client.post(&url).form(&[("decision", decision)]).send().await.unwrap().status()
}

#[tokio::test]
async fn a_buyer_confirms_and_has_tickets() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let best = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = customer.post("/reservations", best).await.ok();
    let key = key();
    let waiting = charge(&customer, &hold, "tok_confirm", &key).await;
    assert_eq!(waiting["state"], "ACTION_REQUIRED", "{waiting}");
    assert!(waiting["buyerAction"]["expireTime"].is_string());
    assert_eq!(decide(&waiting, "approve").await, StatusCode::OK);
    let paid = charge(&customer, &hold, "tok_confirm", &key).await;
    assert_eq!((&paid["state"], &paid["id"]), (&json!("COMPLETED"), &waiting["id"]));
    assert_eq!(paid["ticketIds"].as_array().unwrap().len(), 2);
    assert_eq!(paid["buyerAction"], Value::Null);
}

#[tokio::test]
async fn a_buyer_who_leaves_the_page_pays_in_another_way() {
    let system = crate::system();
    let customer = system.new_customer().await;
    let wanted = json!({"showtimeId": system.showtime().await, "bestAvailable": {"count": 1}});
    let hold = customer.post("/reservations", wanted).await.ok();
    let waiting = charge(&customer, &hold, "tok_confirm", &key()).await;
    assert_eq!(waiting["state"], "ACTION_REQUIRED", "{waiting}");
    let path = format!("/payments/{}/cancel", waiting["id"].as_str().unwrap());
    for _ in 0..2 {
        let cancelled = customer.post(&path, json!({})).await.ok();
        assert_eq!(
            (&cancelled["state"], &cancelled["failureReason"]),
            (&json!("DECLINED"), &json!("PAYMENT_DECLINED"))
        );
    }
    assert_eq!(reqwest::get(page(&waiting)).await.unwrap().status(), StatusCode::GONE);
    let paid = charge(&customer, &hold, "tok_approve", &key()).await;
    assert_eq!(paid["state"], "COMPLETED");
    customer
        .post(&format!("/payments/{}/cancel", paid["id"].as_str().unwrap()), json!({}))
        .await
        .problem(409, "FAILED_PRECONDITION");
}

#[tokio::test]
async fn webhooks_that_the_provider_did_not_send_are_refused() {
    let system = crate::system();
    let visitor = system.rest();
    let send = async |provider: &str, signature: &str, body: Vec<u8>| {
        let request = visitor.request(Method::POST, &format!("/payments/webhooks/{provider}"));
        let request = request.header("sandbox-signature", signature).header(CONTENT_TYPE, "application/json");
        visitor.send(request.body(body)).await
    };
    let event = || b"{\"id\":\"evt:1\"}".to_vec();
    let signature = format!("t=1700000000,v1={}", "ab".repeat(32));
    for signature in ["", "t=1,v1=", &signature] {
        send("sandbox", signature, event()).await.problem(400, "WEBHOOK_SIGNATURE_INVALID");
    }
    for body in [Vec::new(), vec![0xff, 0, 0xfe], b"[".repeat(500_000)] {
        send("sandbox", &signature, body).await.problem(400, "WEBHOOK_SIGNATURE_INVALID");
    }
    send("sandbox", &signature, vec![b' '; 5 * 1024 * 1024]).await.problem(413, "BODY_TOO_LARGE");
    send("paypal", &signature, event()).await.bad_field(404, "PROVIDER_NOT_FOUND", "provider");
}
