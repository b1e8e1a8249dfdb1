//! Which events of payments are published.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moviebooking_domain::{id::PaymentId, money::Money};
use moviebooking_proto::payments::v1::{Offer, PaymentFacts};
use moviebooking_store::{Db, Row, StoreError, Value, sql};

use super::{currency, rows::offers};

/// Something that happened to a payment, as it is told outside.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) payment: PaymentId,
    pub(crate) sequence: i64,
    pub(crate) time: Timestamp,
    pub(crate) kind: String,
    pub(crate) facts: PaymentFacts,
    /// What moved, where money moved.
    pub(crate) moved: Option<Money>,
    /// Why it was declined or voided, once it was.
    pub(crate) reason: String,
    /// What else it is about, encoded; none of an event of before this was kept.
    pub(crate) about: Option<Vec<u8>>,
    /// What was offered, once it was.
    pub(crate) offers: Vec<Offer>,
}

/// The first `limit` events that are not known to be published, those of a payment in their order. The number of a
/// payment's last event is its version, which is counted under a lock on its row: none is committed out of order. A version
/// that came without an event has its number alone.
pub(crate) async fn unpublished(
    db: &Db,
    limit: i64,
) -> Result<Vec<(PaymentId, i64, Option<Told>)>, StoreError> {
    let rows =
        sql("SELECT p.id, p.version, e.seq, e.happened_at, e.kind, e.amount AS moved, p.reservation_id, p.user_id, \
         p.theater_id, p.showtime_id, p.amount, p.currency, p.provider, p.failure_reason, e.facts, o.offers \
         FROM (SELECT * FROM payments WHERE version > published ORDER BY id LIMIT $1) p \
         LEFT JOIN payment_events e ON e.payment_id = p.id AND e.seq > p.published \
         LEFT JOIN payment_offers o ON o.payment_id = p.id ORDER BY p.id, e.seq LIMIT $1")
    .bind(limit)
        .fetch_all(db)
        .await?;
    let numbered = |row: &Row| {
        let told = row.get::<Option<i64>>("seq")?.map(|sequence| told(row, sequence)).transpose()?;
        let number = told.as_ref().map_or_else(|| row.get("version"), |told| Ok(told.sequence))?;
        Ok((row.get("id")?, number, told))
    };
    rows.iter().map(numbered).collect()
}

/// Notes the last published event of each payment.
pub(crate) async fn published(db: &Db, last: &BTreeMap<PaymentId, i64>) -> Result<(), StoreError> {
    let mut update = sql("UPDATE payments SET published = last.column2 FROM (VALUES ");
    update.push_rows(
        last.iter().map(|(payment, sequence)| -> [Value; 2] { [(*payment).into(), (*sequence).into()] }),
    );
    // Who was held up while another went on does not set it back.
    update.push(") AS last WHERE id = last.column1 AND published < last.column2");
    update.execute(db).await.map(drop)
}

fn told(row: &Row, sequence: i64) -> Result<Told, StoreError> {
    let payment: PaymentId = row.get("id")?;
    let id = |column| row.get::<uuid::Uuid>(column).map(|id| id.to_string());
    let currency = currency(row)?;
    Ok(Told {
        payment,
        sequence,
        time: row.get("happened_at")?,
        kind: row.get("kind")?,
        facts: PaymentFacts {
            payment_id: payment.to_string(),
            reservation_id: id("reservation_id")?,
            user_id: id("user_id")?,
            theater_id: id("theater_id")?,
            showtime_id: id("showtime_id")?,
            amount: Some(moviebooking_fields::to_money(Money::new(row.get("amount")?, currency))),
            provider: row.get("provider")?,
            sequence,
        },
        moved: row.get::<Option<i64>>("moved")?.map(|minor| Money::new(minor, currency)),
        reason: row.get("failure_reason")?,
        about: row.get("facts")?,
        offers: match row.get::<Option<Vec<u8>>>("offers")? {
            Some(_) => offers(row)?,
            None => Vec::new(),
        },
    })
}
