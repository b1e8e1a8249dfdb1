//! What buyers were answered is true, and was answered again when they asked again.

use std::collections::{BTreeMap, BTreeSet};

use moviebooking_audit::{Databases, Invariant, Violation};
use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

use crate::{
    answers::{Noted, Reply},
    ask::Order,
    kinds::Kind,
};

/// Why seats are not held.
const NO_SEATS: [&str; 5] =
    ["SEAT_UNAVAILABLE", "NOT_ENOUGH_SEATS", "SEAT_LIMIT", "ORPHAN_SEAT", "SHOWTIME_CANCELLED"];
/// Why a payment does not begin: the hold has expired, was given back, or ended with its showtime.
const NOT_HELD: [&str; 2] = ["HOLD_EXPIRED", "HOLD_RELEASED"];
/// Why an exchange does not begin: beside that, the old tickets were refunded with their showtime.
const NOT_EXCHANGED: [&str; 3] = ["HOLD_EXPIRED", "HOLD_RELEASED", "TICKET_VOID"];
/// Why nothing is refunded: it was before, with the showtime.
const NOTHING_LEFT: [&str; 2] = ["TICKET_VOID", "REFUND_TOO_LARGE"];

/// Everything in the buyers' notes that is not so.
pub(crate) async fn check(notes: &[Noted], of: &Databases) -> Result<Vec<Violation>, StoreError> {
    let facts = Facts::read(of).await?;
    let mut found = Vec::new();
    let mut held = BTreeSet::new();
    for noted in notes {
        let mut must = |holds: bool, invariant, what: &str| {
            if !holds {
                let request = &noted.request;
                let what = format!("{:?} {} of {:?}: {what}", request.kind, request.key, request.buyer);
                found.push(Violation { invariant, what });
            }
        };
        let Some(first) = noted.replies.first() else {
            must(false, Invariant::Answered, &format!("no final answer in {} tries", noted.lost));
            continue;
        };
        if first.is_kept() {
            let same = !noted.given_up && noted.replies.iter().all(|reply| reply == first);
            let again = if noted.given_up { " and not when it was repeated at the end" } else { "" };
            must(
                same,
                Invariant::SameAnswer,
                &format!("was answered {}{again}, {} answers were lost", shown(&noted.replies), noted.lost),
            );
        }
        for reply in &noted.replies {
            if reply.ok && noted.request.kind == Kind::Hold {
                held.insert(reply.id.clone());
            }
            if let Err(what) = facts.agree(noted, reply) {
                must(false, Invariant::AnswersTrue, &what);
            }
        }
    }
    let unknown: Vec<&String> = facts.reservations.iter().filter(|id| !held.contains(*id)).collect();
    let answered = notes.iter().all(|noted| !noted.replies.is_empty());
    if answered && !unknown.is_empty() {
        let what = format!("seats are held of which no buyer knows: reservations {unknown:?}");
        found.push(Violation { invariant: Invariant::SameAnswer, what });
    }
    Ok(found)
}

fn shown(replies: &[Reply]) -> String {
    let texts: Vec<String> =
        replies.iter().map(|reply| String::from_utf8_lossy(&reply.whole).into_owned()).collect();
    texts.join(" and then ")
}

/// What the databases say.
struct Facts {
    reservations: BTreeSet<String>,
    payments: BTreeMap<String, Paid>,
    /// The states of refunds, by their keys.
    refunds: BTreeMap<String, String>,
    cancelled: BTreeSet<String>,
}

struct Paid {
    state: String,
    key: String,
    tickets: BTreeSet<String>,
}

impl Facts {
    async fn read(of: &Databases) -> Result<Self, StoreError> {
        // Nobody asked for those that are offered to who paid late.
        let reservations =
            sql("SELECT id FROM reservations WHERE offered_for IS NULL").fetch_all(&of.reservations).await?;
        let reservations = reservations.iter().map(|row| Ok(row.get::<Uuid>("id")?.to_string()));
        let mut payments: BTreeMap<String, Paid> = BTreeMap::new();
        for row in sql("SELECT id, state, request_id FROM payments").fetch_all(&of.payments).await? {
            let paid =
                Paid { state: row.get("state")?, key: row.get("request_id")?, tickets: BTreeSet::new() };
            payments.insert(row.get::<Uuid>("id")?.to_string(), paid);
        }
        for row in sql("SELECT payment_id, ticket_id FROM payment_tickets").fetch_all(&of.payments).await? {
            if let Some(paid) = payments.get_mut(&row.get::<Uuid>("payment_id")?.to_string()) {
                paid.tickets.insert(row.get::<Uuid>("ticket_id")?.to_string());
            }
        }
        let refunds = sql("SELECT request_id, state FROM refunds").fetch_all(&of.payments).await?;
        let cancelled = sql("SELECT id FROM cancelled_showtimes").fetch_all(&of.payments).await?;
        Ok(Self {
            reservations: reservations.collect::<Result<_, StoreError>>()?,
            payments,
            refunds: refunds
                .iter()
                .map(|row| Ok((row.get("request_id")?, row.get("state")?)))
                .collect::<Result<_, StoreError>>()?,
            cancelled: cancelled
                .iter()
                .map(|row| Ok(row.get::<Uuid>("id")?.to_string()))
                .collect::<Result<_, StoreError>>()?,
        })
    }

    /// What an answer says is so.
    fn agree(&self, noted: &Noted, reply: &Reply) -> Result<(), String> {
        let key = &noted.request.key;
        match (&noted.request.order, reply.ok) {
            (Order::Hold { .. }, true) if !self.reservations.contains(&reply.id) => {
                Err(format!("was told that reservation {} holds the seats, which is not there", reply.id))
            }
            (Order::Charge { total, .. } | Order::Exchange { total, .. }, true) => {
                self.is_paid(key, reply, total)
            }
            (Order::Charge { .. }, false) => self.is_free(key, reply, &NOT_HELD),
            (Order::Exchange { .. }, false) => self.is_free(key, reply, &NOT_EXCHANGED),
            (Order::Refund { .. }, true) if self.refunds.get(key).is_none_or(|state| state != "REFUNDED") => {
                Err("was told of a refund that was not made".to_owned())
            }
            (Order::Cancel { showtime }, true) if !self.cancelled.contains(showtime) => {
                Err(format!("was told that showtime {showtime} is cancelled, which nobody refunds"))
            }
            (Order::Hold { .. }, false) => expected(reply, &NO_SEATS),
            (Order::Release { .. }, false) => expected(reply, &["ALREADY_PAID"]),
            (Order::Refund { .. }, false) => self.is_left(key, reply),
            (Order::Cancel { .. }, false) => expected(reply, &[]),
            _ => Ok(()),
        }
    }

    /// Who is told that they paid did so by this request, and has tickets, or had them until they were refunded. That
    /// the tickets are there and that the money was taken or paid back is for the audit of the databases.
    fn is_paid(&self, key: &str, reply: &Reply, total: &(i64, String)) -> Result<(), String> {
        let paid = self
            .payments
            .get(&reply.id)
            .ok_or_else(|| format!("was told of payment {}, which is not there", reply.id))?;
        if paid.key != key {
            return Err(format!("was told of payment {}, which is of request {}", reply.id, paid.key));
        }
        let captured = matches!(paid.state.as_str(), "COMPLETED" | "REFUNDED" | "PARTIALLY_REFUNDED");
        let told: BTreeSet<String> = reply.tickets.iter().cloned().collect();
        if captured
            && reply.state == "COMPLETED"
            && reply.total == *total
            && told == paid.tickets
            && !told.is_empty()
        {
            return Ok(());
        }
        Err(format!(
            "was told that payment {} is {} with {told:?}, and it is {} with {:?}",
            reply.id, reply.state, paid.state, paid.tickets
        ))
    }

    /// Who is told that nothing was taken paid nothing: the payment has ended so, or was refused for one of `reasons`
    /// before there was one.
    fn is_free(&self, key: &str, reply: &Reply, reasons: &[&str]) -> Result<(), String> {
        let paid = self.payments.values().find(|paid| paid.key == key);
        if !matches!(reply.reason.as_str(), "PAYMENT_DECLINED" | "PAYMENT_VOIDED") {
            expected(reply, reasons)?;
            return match paid {
                None => Ok(()),
                Some(paid) => {
                    Err(format!("was told {}, and there is a payment, {}", reply.reason, paid.state))
                }
            };
        }
        match paid {
            Some(paid) if matches!(paid.state.as_str(), "DECLINED" | "VOIDED" | "REFUNDED") => Ok(()),
            Some(paid) => Err(format!("was told {}, and the payment is {}", reply.reason, paid.state)),
            None => Err(format!("was told {} of a payment that is not there", reply.reason)),
        }
    }

    /// Who is told that nothing is refunded has no refund: it was refused, before or after it was written down.
    fn is_left(&self, key: &str, reply: &Reply) -> Result<(), String> {
        expected(reply, &NOTHING_LEFT)?;
        match self.refunds.get(key).map(String::as_str) {
            None | Some("REFUSED") => Ok(()),
            Some(state) => Err(format!("was told {}, and there is a refund, {state}", reply.reason)),
        }
    }
}

/// A refusal must be one that can come of what buyers do here.
fn expected(reply: &Reply, reasons: &[&str]) -> Result<(), String> {
    if reasons.contains(&reply.reason.as_str()) {
        return Ok(());
    }
    Err(format!("was refused with {}: {}", reply.reason, String::from_utf8_lossy(&reply.whole)))
}
