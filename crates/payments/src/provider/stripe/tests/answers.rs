//! What Stripe's answers mean, in the shapes of <https://docs.stripe.com/api>.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::AppendHeaders,
};
use serde_json::{Value, json};

use super::{PAYMENT, REFUND, charged, euro, payment, refund, stripe};
use crate::provider::{
    Authorisation, Charged, Found, Movement, Operation, Provider as _, ProviderError, TransactionQuery,
    stripe::Stripe,
};

/// What a server was asked: the request line, the idempotency key and the form.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

/// A server that gives these answers, one after another, and then only server errors.
async fn answering(answers: Vec<(u16, Value)>) -> (Stripe, Asked) {
    let asked = Asked::default();
    let (seen, answers) = (Arc::clone(&asked), Arc::new(Mutex::new(answers.into_iter())));
    let answer = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let key =
            headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned()).unwrap_or_default();
        let form = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(headers["authorization"], "Bearer sk_test_123");
        assert_eq!(headers["stripe-version"], "2025-09-30.clover");
        seen.lock().unwrap().push((format!("{method} {}", uri.path()), key, form));
        let (status, body) = answers.lock().unwrap().next().unwrap_or((500, json!("<html>")));
        let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let replayed =
            body["replayed"].as_bool().map(|replayed| ("idempotent-replayed", replayed.to_string()));
        (StatusCode::from_u16(status).unwrap(), AppendHeaders(replayed), text)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (stripe(&url), asked)
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 1099, "currency": "eur", "status": status,
        "client_secret": "pi_1_secret_x", "metadata": { "payment_id": PAYMENT.to_string() },
        "next_action": null, "last_payment_error": null,
    })
}

fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

fn error(kind: &str, code: &str) -> Value {
    json!({ "error": { "type": kind, "code": code, "message": "Not to be logged." } })
}

/// A card that was declined.
fn declined() -> Value {
    let error = json!({
        "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "No.",
    });
    let intent = with(intent("requires_payment_method"), "last_payment_error", error.clone());
    json!({ "error": with(error, "payment_intent", intent) })
}

async fn authorise(answers: Vec<(u16, Value)>) -> (Result<Authorisation, ProviderError>, Asked) {
    let (stripe, asked) = answering(answers).await;
    (stripe.authorise(payment(), euro(1099), &"pm_1".into()).await, asked)
}

#[tokio::test]
async fn money_is_held_under_our_key() {
    let (outcome, asked) = authorise(vec![(200, intent("requires_capture"))]).await;
    let held = outcome.unwrap();
    assert_eq!((held.reference.as_str(), held.action.is_none()), ("pi_1", true));
    let asked = asked.lock().unwrap().clone();
    let (line, key, form) = &asked[0];
    assert_eq!((line.as_str(), key), ("POST /v1/payment_intents", &format!("{PAYMENT}:authorise")));
    assert_eq!(
        *form,
        format!(
            "amount=1099&currency=eur&capture_method=manual&confirm=true&payment_method_types%5B%5D=card\
             &payment_method=pm_1&metadata%5Bpayment_id%5D={PAYMENT}"
        )
    );
}

#[tokio::test]
async fn of_nothing_stripe_is_not_asked() {
    let (stripe, asked) = answering(Vec::new()).await;
    let held = stripe.authorise(payment(), euro(0), &"pm_1".into()).await.unwrap();
    let free = Charged { reference: held.reference, ..charged() };
    stripe.capture(&free, euro(0)).await.unwrap();
    stripe.refund(&free, refund(), euro(0)).await.unwrap();
    stripe.void(&free).await.unwrap();
    assert!(matches!(stripe.look_up(&free, Operation::Capture(payment())).await.unwrap(), Found::Nothing));
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_buyer_confirms_on_a_page_or_with_stripes_code() {
    let redirect = json!({ "type": "redirect_to_url", "redirect_to_url": { "url": "https://bank.example", "return_url": "x" } });
    let own_code =
        json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } });
    for (next_action, url) in [(redirect, "https://bank.example"), (own_code, "")] {
        let waiting = with(intent("requires_action"), "next_action", next_action);
        let action = authorise(vec![(200, waiting)]).await.0.unwrap().action.unwrap();
        assert_eq!(action.url, url);
        assert!(action.client_secret.is_some());
        assert!(!format!("{action:?}").contains("secret_x"), "a secret in the log");
    }
}

#[tokio::test]
async fn a_declined_intent_is_cancelled_so_that_nobody_confirms_it_later() {
    let (outcome, asked) = authorise(vec![(402, declined()), (200, intent("canceled"))]).await;
    assert_eq!(outcome.err(), Some(ProviderError::Declined("insufficient_funds".to_owned())));
    assert_eq!(asked.lock().unwrap()[1].0, "POST /v1/payment_intents/pi_1/cancel");
    // Until it is, nobody is told that it was declined.
    let (outcome, _) = authorise(vec![(402, declined()), (500, json!(""))]).await;
    assert!(matches!(outcome, Err(ProviderError::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_stripe_cannot_do_is_declined_and_what_it_does_not_say_is_unknown() {
    let unknown_method = with(
        error("invalid_request_error", "resource_missing"),
        "error",
        json!({
            "type": "invalid_request_error", "code": "resource_missing", "param": "payment_method",
        }),
    );
    assert_eq!(authorise(vec![(400, unknown_method)]).await.0.err(), Some(ProviderError::InvalidToken));
    let small = error("invalid_request_error", "amount_too_small");
    let declined = ProviderError::Declined("amount_too_small".to_owned());
    assert_eq!(authorise(vec![(400, small)]).await.0.err(), Some(declined));
    for (status, answer) in [
        (400, error("idempotency_error", "")),
        (401, error("invalid_request_error", "")),
        (403, json!("")),
        (409, error("invalid_request_error", "lock_timeout")),
        (429, error("invalid_request_error", "rate_limit")),
        (500, error("api_error", "")),
        (503, json!("<html>down</html>")),
        (200, json!("<html>nonsense</html>")),
        (200, json!({})),
        (200, intent("processing")),
        (200, intent("a_status_of_the_future")),
        (302, json!("")),
    ] {
        let (outcome, _) = authorise(vec![(status, answer.clone())]).await;
        assert!(matches!(outcome, Err(ProviderError::Unknown(_))), "{status} {answer}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("Not to be logged"));
    }
    let small_change = stripe("http://127.0.0.1:9");
    let amount = moviebooking_domain::money::Money::new(1001, "KWD".parse().unwrap());
    let outcome = small_change.authorise(payment(), amount, &"pm_1".into()).await;
    assert_eq!(outcome.err(), Some(ProviderError::Declined("amount_not_supported".to_owned())));
}

#[tokio::test]
async fn a_capture_and_a_void_end_where_the_intent_is() {
    let unexpected = |status: &str| {
        let error = json!({
            "type": "invalid_request_error", "code": "payment_intent_unexpected_state", "payment_intent": intent(status),
        });
        (400, json!({ "error": error }))
    };
    let declined = |code: &str| Err(ProviderError::Declined(code.to_owned()));
    let expired = error("invalid_request_error", "charge_expired_for_capture");
    for (answer, captured) in [
        ((200, intent("succeeded")), Ok(())),
        (unexpected("succeeded"), Ok(())),
        (unexpected("canceled"), declined("canceled")),
        ((400, expired), declined("charge_expired_for_capture")),
    ] {
        let (stripe, asked) = answering(vec![answer]).await;
        assert_eq!(stripe.capture(&charged(), euro(1099)).await, captured);
        let asked = asked.lock().unwrap().clone();
        let expected =
            ("POST /v1/payment_intents/pi_1/capture", format!("{PAYMENT}:capture"), "amount_to_capture=1099");
        assert_eq!((asked[0].0.as_str(), asked[0].1.clone(), asked[0].2.as_str()), expected);
    }
    for (answer, voided) in [
        ((200, intent("canceled")), Ok(())),
        (unexpected("canceled"), Ok(())),
        (unexpected("succeeded"), declined("already_captured")),
    ] {
        let (stripe, _) = answering(vec![answer]).await;
        assert_eq!(stripe.void(&charged()).await, voided);
    }
}

#[tokio::test]
async fn a_refund_is_found_by_our_id() {
    let made = |id: &str, status: &str| {
        json!({
            "id": id, "object": "refund", "amount": 99, "currency": "eur", "status": status, "failure_reason": "expired_or_canceled_card",
            "metadata": { "payment_id": PAYMENT.to_string(), "refund_id": REFUND.to_string() },
        })
    };
    for (status, expected) in [
        ("succeeded", Ok(())),
        ("pending", Ok(())),
        ("failed", Err(ProviderError::Declined("expired_or_canceled_card".to_owned()))),
    ] {
        let (stripe, asked) = answering(vec![(200, made("re_1", status))]).await;
        assert_eq!(stripe.refund(&charged(), refund(), euro(99)).await, expected, "{status}");
        let form = asked.lock().unwrap()[0].2.clone();
        assert!(
            form.contains("payment_intent=pi_1&amount=99") && form.contains(&REFUND.to_string()),
            "{form}"
        );
    }
    let other = with(made("re_0", "succeeded"), "metadata", json!({}));
    let pages = vec![
        (200, json!({ "object": "list", "data": [other], "has_more": true })),
        (200, json!({ "object": "list", "data": [made("re_1", "succeeded")], "has_more": false })),
    ];
    let (stripe, asked) = answering(pages).await;
    let found = stripe.look_up(&charged(), Operation::Refund(payment(), refund())).await.unwrap();
    assert!(matches!(found, Found::Done), "{found:?}");
    assert_eq!(asked.lock().unwrap().len(), 2);
    let gone = error("invalid_request_error", "charge_already_refunded");
    let (stripe, _) = answering(vec![(400, gone)]).await;
    let outcome = stripe.refund(&charged(), refund(), euro(99)).await;
    assert_eq!(outcome, Err(ProviderError::Declined("charge_already_refunded".to_owned())));
}

#[tokio::test]
async fn what_has_failed_under_one_key_is_tried_under_another() {
    let again = |answer: Value| with(answer, "replayed", json!(true));
    let failure = error("api_error", "");
    let poor = error("invalid_request_error", "balance_insufficient");
    let made = json!({ "id": "re_1", "status": "succeeded", "metadata": {} });
    let answers = vec![
        (500, failure.clone()),
        (500, again(failure.clone())),
        (400, poor.clone()),
        (400, again(poor)),
        (200, made.clone()),
        (200, made),
    ];
    let (stripe, asked) = answering(answers).await;
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(stripe.refund(&charged(), refund(), euro(99)).await.map_err(|error| error.to_string()));
    }
    let says = |index: usize, text: &str| outcomes[index].as_ref().is_err_and(|error| error.contains(text));
    assert!(
        says(0, "500") && says(1, "repeats") && says(2, "balance_insufficient") && says(3, "repeats"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[4..], [Ok(()), Ok(())]);
    let keys: Vec<String> = asked.lock().unwrap().iter().map(|(_, key, _)| key.clone()).collect();
    let key = format!("{PAYMENT}:refund:{REFUND}");
    let expected = ["", "", ":1", ":1", ":2", ""].map(|end| format!("{key}{end}"));
    assert_eq!(keys, expected);

    // A card that was declined stays declined.
    let (outcome, _) = authorise(vec![(402, again(declined())), (200, intent("canceled"))]).await;
    assert_eq!(outcome.err(), Some(ProviderError::Declined("insufficient_funds".to_owned())));
}

#[tokio::test]
async fn of_very_many_payments_those_of_long_ago_are_searched_for() {
    let unnamed = Charged { reference: String::new(), ..charged() };
    let stranger = with(intent("requires_capture"), "metadata", json!({}));
    let full = (200, json!({ "object": "list", "data": [stranger], "has_more": true }));
    let found =
        (200, json!({ "object": "search_result", "data": [intent("requires_capture")], "has_more": false }));
    let mut answers = vec![full; 10];
    answers.push(found);
    let (stripe, asked) = answering(answers).await;
    let found = stripe.look_up(&unnamed, Operation::Authorise(payment())).await.unwrap();
    assert!(matches!(found, Found::Authorisation(_)), "{found:?}");
    let lines: Vec<String> = asked.lock().unwrap().iter().map(|(line, ..)| line.clone()).collect();
    assert_eq!(lines[9..], ["GET /v1/payment_intents", "GET /v1/payment_intents/search"]);
}

#[tokio::test]
async fn a_payment_whose_answer_was_lost_is_found_by_our_id() {
    let unnamed = Charged { reference: String::new(), ..charged() };
    let operation = Operation::Authorise(payment());
    let list = |data: Vec<Value>| (200, json!({ "object": "list", "data": data, "has_more": false }));
    let stranger = with(intent("requires_capture"), "metadata", json!({}));
    for (answers, expected) in [
        (vec![list(vec![])], "Nothing"),
        (vec![list(vec![stranger])], "Nothing"),
        (vec![list(vec![intent("requires_capture")])], "Authorisation"),
        (vec![list(vec![intent("requires_action")])], "Authorisation"),
        (vec![list(vec![intent("requires_payment_method")]), (200, intent("canceled"))], "Declined"),
        (vec![list(vec![intent("canceled")])], "Declined"),
    ] {
        let (stripe, _) = answering(answers).await;
        let found = format!("{:?}", stripe.look_up(&unnamed, operation).await.unwrap());
        assert!(found.starts_with(expected), "{found}");
    }
    let (stripe, _) = answering(vec![(404, error("invalid_request_error", "resource_missing"))]).await;
    assert!(matches!(stripe.look_up(&charged(), operation).await.unwrap(), Found::Nothing));
    let hostile = Charged { reference: "../customers".to_owned(), ..charged() };
    assert!(stripe.look_up(&hostile, operation).await.is_err());
}

#[tokio::test]
async fn the_balance_says_what_was_moved() {
    let moved = |id: &str, kind: &str, source: Value| json!({ "id": id, "type": kind, "amount": 1099, "currency": "eur", "fee": 41, "created": 1_795_000_000, "source": source });
    let charge = json!({
        "object": "charge", "amount": 1099, "amount_captured": 1099, "currency": "eur",
        "metadata": { "payment_id": PAYMENT.to_string() },
    });
    let back = json!({
        "object": "refund", "amount": 99, "currency": "eur",
        "metadata": { "payment_id": PAYMENT.to_string(), "refund_id": REFUND.to_string() },
    });
    let data = [
        moved("txn_1", "charge", charge),
        moved("txn_2", "refund", back.clone()),
        moved("txn_4", "refund_failure", back),
        moved("txn_3", "payout", json!("po_1")),
    ];
    let (stripe, _) =
        answering(vec![(200, json!({ "object": "list", "data": data, "has_more": true }))]).await;
    let query = TransactionQuery {
        from: "2026-11-01T00:00:00Z".parse().unwrap(),
        to: "2026-12-01T00:00:00Z".parse().unwrap(),
        after: None,
    };
    let page = stripe.transactions(&query).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("txn_3"));
    let [first, second, third] = page.transactions.as_slice() else { panic!("{page:?}") };
    assert_eq!(
        (first.payment, first.movement, first.amount),
        (Some(payment()), Movement::Capture, euro(1099))
    );
    assert_eq!(first.fee, Some(euro(41)));
    assert_eq!((second.movement, second.amount), (Movement::Refund(Some(refund())), euro(99)));
    assert_eq!((third.movement, third.amount), (Movement::FailedRefund(Some(refund())), euro(99)));
}
