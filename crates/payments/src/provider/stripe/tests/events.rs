//! Stripe's events, in the shapes of <https://docs.stripe.com/api/events>.

use aws_lc_rs::hmac;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{PAYMENT, REFUND, payment, refund, stripe};
use crate::provider::{Happened, Notice, Provider as _, Webhook, WebhookRefused, stripe::Stripe};

const NOW: i64 = 1_795_000_000;

fn read(stripe: &Stripe, body: &str) -> Result<Notice, WebhookRefused> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_test");
    let signature = hex::encode(hmac::sign(&key, format!("{NOW}.{body}").as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", format!("t={NOW},v1={signature},v0=00").parse().unwrap());
    let now = Timestamp::from_second(NOW + 2).unwrap();
    stripe.read_webhook(&Webhook { headers: &headers, body: body.as_bytes(), now })
}

fn event(kind: &str, object: Value) -> String {
    json!({
        "id": "evt_1", "object": "event", "api_version": "2025-09-30.clover", "created": NOW, "livemode": false,
        "type": kind, "data": { "object": object }, "request": { "id": null, "idempotency_key": null },
    })
    .to_string()
}

fn intent(status: &str) -> Value {
    json!({ "id": "pi_1", "object": "payment_intent", "status": status, "metadata": { "payment_id": PAYMENT.to_string() } })
}

fn returned(status: &str) -> Value {
    json!({
        "id": "re_1", "object": "refund", "status": status, "failure_reason": "lost_or_stolen_card",
        "metadata": { "payment_id": PAYMENT.to_string(), "refund_id": REFUND.to_string() },
    })
}

#[test]
fn what_becomes_of_an_intent_wakes_its_payment() {
    let stripe = stripe("http://127.0.0.1:9");
    for (kind, status) in [
        ("payment_intent.amount_capturable_updated", "requires_capture"),
        ("payment_intent.payment_failed", "requires_payment_method"),
        ("payment_intent.canceled", "canceled"),
        ("payment_intent.succeeded", "succeeded"),
    ] {
        let notice = read(&stripe, &event(kind, intent(status))).unwrap();
        assert_eq!((notice.id.as_str(), notice.kind.as_str()), ("evt_1", kind));
        assert_eq!((notice.payment, notice.happened), (Some(payment()), Happened::Changed));
    }
}

#[test]
fn a_refund_that_fails_afterwards_is_told_of() {
    let stripe = stripe("http://127.0.0.1:9");
    let failed = Happened::RefundFailed { refund: Some(refund()), code: "lost_or_stolen_card".to_owned() };
    for (kind, status, happened) in [
        ("refund.failed", "failed", failed.clone()),
        ("charge.refund.updated", "failed", failed),
        ("refund.updated", "succeeded", Happened::Irrelevant),
    ] {
        let notice = read(&stripe, &event(kind, returned(status))).unwrap();
        assert_eq!((notice.payment, notice.happened), (Some(payment()), happened), "{kind}");
    }
}

#[test]
fn what_is_not_ours_is_read_and_nothing_more() {
    let stripe = stripe("http://127.0.0.1:9");
    let stranger = json!({ "id": "pi_2", "object": "payment_intent", "status": "succeeded", "metadata": {} });
    assert_eq!(read(&stripe, &event("payment_intent.succeeded", stranger)).unwrap().payment, None);
    let customer = event("customer.created", json!({ "id": "cus_1", "object": "customer" }));
    assert_eq!(read(&stripe, &customer).unwrap().happened, Happened::Irrelevant);
    for nonsense in [
        "",
        "{}",
        "[]",
        "\u{0}",
        "{\"id\":\"evt_1\",\"type\":\"payment_intent.succeeded\",\"data\":{\"object\":7}}",
    ] {
        assert!(matches!(read(&stripe, nonsense), Err(WebhookRefused::Malformed(_))), "{nonsense}");
    }
}

#[test]
fn without_a_secret_nothing_is_believed() {
    let stripe = Stripe { webhook_secret: None, ..stripe("http://127.0.0.1:9") };
    let body = event("payment_intent.succeeded", intent("succeeded"));
    assert_eq!(read(&stripe, &body), Err(WebhookRefused::NotConfigured));
}
