//! What was published is what happened: the broker's stream has every event of the databases' histories, in order.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, pull},
};
use futures::StreamExt as _;
use moviebooking_audit::{Databases, Invariant, Violation};
use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

/// The stream, as the documentation of events names it.
const STREAM: &str = "MOVIEBOOKING_EVENTS";
/// The steps of payments that everybody is told of.
const TOLD: [&str; 19] = [
    "created",
    "authorised",
    "authorisation_found",
    "declined",
    "withdrawn",
    "not_authorised",
    "captured",
    "capture_found",
    "tickets_issued",
    "voided",
    "parked",
    "refund_requested",
    "refunded",
    "refund_refused",
    "exchange_requested",
    "tickets_exchanged",
    "exchange_refused",
    "exchange_undone",
    "seats_offered",
];

/// The ids of all events, in the order in which the broker has them.
pub(crate) async fn published(url: &str) -> anyhow::Result<Vec<String>> {
    let client = async_nats::connect(url).await.context("NATS cannot be reached")?;
    let mut stream =
        jetstream::new(client).get_stream(STREAM).await.context("there is no stream of events")?;
    let count = stream.info().await?.state.messages;
    let consumer = stream
        .create_consumer(pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() })
        .await?;
    let mut messages = consumer.messages().await?.take(usize::try_from(count)?);
    let mut ids = Vec::new();
    while let Some(message) = messages.next().await {
        let message = message?;
        let headers = message.headers.as_ref();
        ids.extend(headers.and_then(|headers| headers.get("ce-id")).map(|id| id.as_str().to_owned()));
    }
    Ok(ids)
}

/// Everything that was not published, or not in order. `ids` are those of the stream.
pub(crate) async fn check(ids: &[String], of: &Databases) -> Result<Vec<Violation>, StoreError> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &dyn Fn() -> String| {
        if !holds {
            found.push(Violation { invariant: Invariant::ChangesAreTold, what: what() });
        }
    };
    let told: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    for id in happened(of).await? {
        must(told.contains(id.as_str()), &|| format!("event {id} was not published"));
    }
    // Numbered events say in their ids what they are about and which one of it they are. One may come again.
    let mut last: BTreeMap<Uuid, i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
        let Some((subject, number)) = numbered(id) else { continue };
        let before = last.insert(subject, number);
        must(before.is_none_or(|before| before < number), &|| {
            format!("event {number} of {subject} was published after {before:?}")
        });
    }
    Ok(found)
}

/// The ids of the events of payments and of seats.
async fn happened(of: &Databases) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    // The payment for the new tickets has a step of this name, too, which has no facts and is not told.
    let mut payments = sql("SELECT payment_id AS subject, seq AS number FROM payment_events \
                            WHERE (kind <> 'exchange_refused' OR facts IS NOT NULL) AND kind IN ");
    payments.push_list(TOLD);
    let seats = sql("SELECT showtime_id AS subject, sequence AS number FROM seat_history");
    for (query, db) in [(payments, &of.payments), (seats, &of.reservations)] {
        for row in query.fetch_all(db).await? {
            let (subject, number): (Uuid, i64) = (row.get("subject")?, row.get("number")?);
            ids.push(format!("{subject}-{number}"));
        }
    }
    Ok(ids)
}

/// What a numbered event is about, and its number; nothing for others.
fn numbered(id: &str) -> Option<(Uuid, i64)> {
    let (subject, number) = id.rsplit_once('-')?;
    Some((Uuid::try_parse(subject).ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_follows_a_whole_id() {
        let id = Uuid::from_u128(7);
        assert_eq!(numbered(&format!("{id}-12")), Some((id, 12)));
        assert_eq!(numbered(&id.to_string()), None);
    }
}
