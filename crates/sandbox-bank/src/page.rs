//! The page on which a buyer confirms a payment, in the place of their bank's.

use axum::{
    extract::{Form, Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Bank, confirm::Confirmation};

/// What the page's buttons send.
#[derive(Debug, Deserialize)]
pub(crate) struct Decision {
    decision: Choice,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Approve,
    Decline,
}

/// The page.
pub(crate) async fn show(State(bank): State<Bank>, Path((payment, secret)): Path<(Uuid, Uuid)>) -> Response {
    match bank.shown(payment, secret).await {
        Ok(Some(Confirmation { amount, waiting: true })) => {
            let (minor, currency) = (amount.minor, amount.currency);
            let question = format!("<p>Pay {minor} minor units of {currency} for payment {payment}?</p>");
            let buttons = "<form method=\"post\"><button name=\"decision\" value=\"approve\">Approve</button> \
                 <button name=\"decision\" value=\"decline\">Decline</button></form>";
            page(StatusCode::OK, &format!("{question}{buttons}"))
        }
        Ok(Some(_)) => page(StatusCode::GONE, "<p>This payment is decided already.</p>"),
        Ok(None) => page(StatusCode::NOT_FOUND, "<p>There is no such payment.</p>"),
        Err(error) => failed(&error),
    }
}

/// What a button does.
pub(crate) async fn decide(
    State(bank): State<Bank>,
    Path((payment, secret)): Path<(Uuid, Uuid)>,
    Form(Decision { decision }): Form<Decision>,
) -> Response {
    let approve = matches!(decision, Choice::Approve);
    match bank.decide(payment, secret, approve).await {
        Ok(true) if approve => page(StatusCode::OK, "<p>Approved. You can close this page.</p>"),
        Ok(true) => page(StatusCode::OK, "<p>Declined. You can close this page.</p>"),
        Ok(false) => page(StatusCode::GONE, "<p>There is nothing to decide here any more.</p>"),
        Err(error) => failed(&error),
    }
}

fn failed(error: &moviebooking_store::StoreError) -> Response {
    tracing::warn!(error = error.chain(), "the bank's database fails");
    page(StatusCode::SERVICE_UNAVAILABLE, "<p>The bank is out of order: try again in a moment.</p>")
}

/// `body` is made of this program's text, numbers and ids alone.
fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sandbox bank</title>\
         <h1>Sandbox bank</h1>{body}</html>\n"
    );
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
        // The address has the secret.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, headers, Html(html)).into_response()
}
