//! A bank that answers what no bank answers.

use axum::{Router, http::StatusCode};
use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, RefundId};
use uuid::Uuid;

use super::*;

/// A bank that answers everything with this.
async fn answering(status: StatusCode, body: String) -> Sandbox {
    let router = Router::new().fallback(async move || (status, body.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = http_client::builder(&url).unwrap().build().unwrap();
    Sandbox { line: Line::Remote(client, url), secret: BankSecret::random() }
}

fn is_unknown<T>(outcome: Result<T, ProviderError>) -> bool {
    matches!(outcome, Err(ProviderError::Unknown(_)))
}

/// Whatever is not an answer leaves open what was done, so that it is looked up: it is no success and no final no.
#[tokio::test]
async fn nonsense_is_neither_a_success_nor_a_final_no() {
    let payment = PaymentId::from(Uuid::from_u128(1));
    let (charged, refund) =
        (Charged { id: payment, reference: String::new() }, RefundId::from(Uuid::from_u128(2)));
    let euro = Money::new(900, "EUR".parse().unwrap());
    for (status, body) in [
        (200, String::new()),
        (200, "<html>It works!</html>".to_owned()),
        (200, "{}".to_owned()),
        (200, "null".to_owned()),
        (200, r#"{"status":"perhaps"}"#.to_owned()),
        (200, r#"{"status":"declined"}"#.to_owned()),
        (200, "[".repeat(100_000)),
        (200, " ".repeat(http_client::MOST_BYTES + 1)),
        (402, "no".to_owned()),
        (204, String::new()),
        (302, r#"{"status":"done"}"#.to_owned()),
        (401, r#"{"status":"done"}"#.to_owned()),
        (500, r#"{"status":"done"}"#.to_owned()),
    ] {
        let bank = answering(StatusCode::from_u16(status).unwrap(), body.clone()).await;
        let shown = body.get(..40).unwrap_or(&body);
        assert!(is_unknown(bank.authorise(payment, euro, &"tok_approve".into()).await), "{status} {shown}");
        assert!(is_unknown(bank.capture(&charged, euro).await), "{status} {shown}");
        assert!(is_unknown(bank.void(&charged).await), "{status} {shown}");
        assert!(is_unknown(bank.refund(&charged, refund, euro).await), "{status} {shown}");
        for operation in [Operation::Authorise(payment), Operation::Refund(payment, refund)] {
            assert!(is_unknown(bank.look_up(&charged, operation).await), "{status} {shown}");
        }
        let ever = TransactionQuery { from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, after: None };
        assert!(is_unknown(bank.transactions(&ever).await), "{status} {shown}");
    }
    // An answer to another question.
    let bank =
        answering(StatusCode::OK, r#"{"status":"action_required","url":"http://bank"}"#.to_owned()).await;
    assert!(is_unknown(bank.capture(&charged, euro).await));
    assert!(is_unknown(bank.look_up(&charged, Operation::Capture(payment)).await));
    let bank = answering(StatusCode::OK, r#"{"status":"unknown_token"}"#.to_owned()).await;
    assert!(is_unknown(bank.void(&charged).await));
}
