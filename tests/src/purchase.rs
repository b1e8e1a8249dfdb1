//! A purchase, from the hold to the printed ticket.

use serde_json::{Value, json};

use crate::{Answer, Rest};

/// Holds two seats, pays, prints a ticket and gives its id.
///
/// # Errors
/// The first answer that is no good one.
///
/// # Panics
/// When a good answer is not what it should be.
pub async fn buy(customer: &Rest, showtime: &str) -> Result<String, Box<Answer>> {
    let wanted = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = good(customer.post("/reservations", wanted).await)?;
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let payment = good(customer.post("/payments/charge", charge).await)?;
    assert_eq!(payment["state"], "COMPLETED", "{payment}");
    let ticket = payment["ticketIds"][0].as_str().expect("a ticket").to_owned();
    // Drawn with fonts that are in the program: there is nowhere else to take them from.
    let pdf = customer.get(&format!("/tickets/{ticket}/pdf")).await;
    if pdf.bytes.starts_with(b"%PDF-") { Ok(ticket) } else { Err(Box::new(pdf)) }
}

fn good(answer: Answer) -> Result<Value, Box<Answer>> {
    if answer.status.is_success() { Ok(answer.json) } else { Err(Box::new(answer)) }
}
