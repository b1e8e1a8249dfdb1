//! A purchase, from the hold to the printed ticket.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Answer, Rest, key};

/// Holds two seats, pays, prints a ticket and gives its id.
///
/// # Errors
/// The first answer that is no good one, or that there was none.
///
/// # Panics
/// When a good answer is not what it should be.
pub async fn buy(customer: &Rest, showtime: &str) -> Result<String, String> {
    purchase(customer, showtime, |request| async {
        customer.try_send(request).await.map_err(|error| format!("{error:?}"))
    })
    .await
}

/// Like [`buy`], as a client does it who repeats each request with its key until it is done. Who held anew each time would
/// have the seats of every attempt, and soon as many as one buyer may.
///
/// # Errors
/// The first answer that is neither good nor to be repeated.
///
/// # Panics
/// When a good answer is not what it should be.
pub async fn buy_at_last(customer: &Rest, showtime: &str) -> Result<String, String> {
    purchase(customer, showtime, |request| async { Ok(customer.send_until_done(request).await) }).await
}

async fn purchase<F>(
    customer: &Rest,
    showtime: &str,
    send: impl Fn(RequestBuilder) -> F,
) -> Result<String, String>
where
    F: Future<Output = Result<Answer, String>>,
{
    let post = |path: &str, body: Value| {
        send(customer.request(Method::POST, path).header("idempotency-key", key()).json(&body))
    };
    let seats = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = good(post("/reservations", seats).await?)?.json;
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let payment = good(post("/payments/charge", charge).await?)?.json;
    assert_eq!(payment["state"], "COMPLETED", "{payment}");
    let ticket = payment["ticketIds"][0].as_str().expect("a ticket").to_owned();
    let pdf = good(send(customer.request(Method::GET, &format!("/tickets/{ticket}/pdf"))).await?)?;
    // Drawn with fonts that are in the program: there is nowhere else to take them from.
    assert!(pdf.bytes.starts_with(b"%PDF-"), "{:?}", pdf.headers);
    Ok(ticket)
}

fn good(answer: Answer) -> Result<Answer, String> {
    if answer.status.is_success() { Ok(answer) } else { Err(format!("{}: {}", answer.status, answer.json)) }
}
