//! Which events of payments are published.

use jiff::Timestamp;
use moviebooking_domain::{id::PaymentId, money::Money};
use moviebooking_events::Queue;
use moviebooking_proto::payments::v1::{Offer, PaymentFacts};
use moviebooking_store::{Db, Engine, Row, StoreError, sql};
use uuid::Uuid;

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

macro_rules! columns {
    () => {
        "SELECT p.id, e.seq, e.happened_at, e.kind, e.amount AS moved, p.reservation_id, p.user_id, \
         p.theater_id, p.showtime_id, p.amount, p.currency, p.provider, p.failure_reason, e.facts, o.offers "
    };
}

const UNPUBLISHED: &str = concat!(
    columns!(),
    "FROM unpublished_events u JOIN payment_events e ON e.payment_id = u.payment_id AND e.seq = u.seq \
     JOIN payments p ON p.id = u.payment_id LEFT JOIN payment_offers o ON o.payment_id = u.payment_id \
     ORDER BY u.payment_id, u.seq LIMIT $1"
);

/// The same for PostgreSQL, which would rather read whole tables, in the order of their indexes, than look up a row for each
/// of a few events, of which it has no statistics.
const UNPUBLISHED_ONE_BY_ONE: &str = concat!(
    columns!(),
    "FROM (SELECT * FROM unpublished_events ORDER BY payment_id, seq LIMIT $1) u \
     CROSS JOIN LATERAL (SELECT * FROM payment_events WHERE payment_id = u.payment_id AND seq = u.seq LIMIT 1) e \
     CROSS JOIN LATERAL (SELECT * FROM payments WHERE id = u.payment_id LIMIT 1) p \
     LEFT JOIN LATERAL (SELECT * FROM payment_offers WHERE payment_id = u.payment_id LIMIT 1) o ON TRUE \
     ORDER BY u.payment_id, u.seq"
);

/// The first `limit` events that are not known to be published, those of a payment in their order. The number of a
/// payment's last event is its version, which is counted under a lock on its row: none is committed before an earlier one.
pub(crate) async fn unpublished(db: &Db, limit: i64) -> Result<Vec<Told>, StoreError> {
    let query = match db.engine() {
        Engine::Postgres => sql(UNPUBLISHED_ONE_BY_ONE),
        Engine::Sqlite => sql(UNPUBLISHED),
    };
    let rows = query.bind(limit).fetch_all(db).await?;
    rows.iter().map(told).collect()
}

/// The events that are not known to be published.
const QUEUE: Queue = Queue { table: "unpublished_events", id: "payment_id", number: "seq" };

/// Notes that events are published.
pub(crate) async fn published(db: &Db, events: &[(PaymentId, i64)]) -> Result<(), StoreError> {
    QUEUE.remove(db, events.iter().map(|&(id, number)| (id.uuid(), number))).await
}

fn told(row: &Row) -> Result<Told, StoreError> {
    let sequence = row.get("seq")?;
    let payment: PaymentId = row.get("id")?;
    let id = |column| row.get::<Uuid>(column).map(|id| id.to_string());
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
