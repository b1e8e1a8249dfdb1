//! What is read of payments.

use std::collections::HashMap;

use moviebooking_domain::id::{PaymentId, RefundId, ReservationId, TicketId, UserId};
use moviebooking_store::{Executor, StoreError, sql};

use super::{Store, rows::offers};
use crate::{
    payment::{BoughtTicket, PastEvent, Payment},
    refund::Refund,
};

/// Which payments to list: newest first, older than `before`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) user: Option<UserId>,
    pub(crate) reservation: Option<ReservationId>,
    /// Only those of which something is parked.
    pub(crate) parked: bool,
    pub(crate) before: Option<PaymentId>,
    pub(crate) limit: i64,
}

/// Payments with why something of them is parked.
macro_rules! payments {
    () => {
        "SELECT *, (SELECT MIN(reason) FROM parked_sagas WHERE payment_id = payments.id) AS parked_reason FROM payments"
    };
}

impl Store {
    /// A payment with its tickets and offers.
    pub(crate) async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        let row = sql(concat!(payments!(), " WHERE id = $1")).bind(id).fetch_optional(&self.db).await?;
        let Some(row) = row else { return Ok(None) };
        self.complete(vec![Payment::read_whole(&row)?]).await.map(|payments| payments.into_iter().next())
    }

    /// The payment that a buyer began with an idempotency key.
    pub(crate) async fn payment_of_key(
        &self,
        buyer: UserId,
        request_id: &str,
    ) -> Result<Option<Payment>, StoreError> {
        let query = sql(concat!(payments!(), " WHERE user_id = $1 AND request_id = $2"));
        let row = query.bind(buyer).bind(request_id).fetch_optional(&self.db).await?;
        let Some(row) = row else { return Ok(None) };
        self.complete(vec![Payment::read_whole(&row)?]).await.map(|payments| payments.into_iter().next())
    }

    /// Payments, newest first.
    pub(crate) async fn list(&self, listing: &Listing) -> Result<Vec<Payment>, StoreError> {
        let mut query = sql(concat!(payments!(), " WHERE TRUE"));
        if let Some(user) = listing.user {
            query.push(" AND user_id = ").push_bind(user);
        }
        if let Some(reservation) = listing.reservation {
            query.push(" AND reservation_id = ").push_bind(reservation);
        }
        if listing.parked {
            query.push(" AND id IN (SELECT payment_id FROM parked_sagas)");
        }
        if let Some(before) = listing.before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(listing.limit);
        let rows = query.fetch_all(&self.db).await?;
        self.complete(rows.iter().map(Payment::read_whole).collect::<Result<_, _>>()?).await
    }

    /// What happened to a payment, oldest first.
    pub(crate) async fn history(&self, payment: PaymentId) -> Result<Vec<PastEvent>, StoreError> {
        let query = sql("SELECT happened_at, kind, amount, detail FROM payment_events \
             WHERE payment_id = $1 ORDER BY seq");
        query.bind(payment).fetch_all(&self.db).await?.iter().map(PastEvent::read).collect()
    }

    /// A refund.
    ///
    /// # Errors
    /// [`StoreError::NoRow`] when there is none.
    pub(crate) async fn refund(&self, id: RefundId) -> Result<Refund, StoreError> {
        Refund::read(&sql("SELECT * FROM refunds WHERE id = $1").bind(id).fetch_one(&self.db).await?)
    }

    /// The refund that somebody asked for with an idempotency key.
    pub(crate) async fn refund_of_key(
        &self,
        requested_by: UserId,
        request_id: &str,
    ) -> Result<Option<Refund>, StoreError> {
        let query = sql("SELECT * FROM refunds WHERE requested_by = $1 AND request_id = $2");
        let row = query.bind(requested_by).bind(request_id).fetch_optional(&self.db).await?;
        row.as_ref().map(Refund::read).transpose()
    }

    /// The tickets that a refund takes back.
    pub(crate) async fn tickets_of_refund(
        &self,
        payment: PaymentId,
        refund: RefundId,
    ) -> Result<Vec<BoughtTicket>, StoreError> {
        let query = sql("SELECT ticket_id, seat, price, returnable_until, return_fee FROM payment_tickets \
             WHERE payment_id = $1 AND refund_id = $2 ORDER BY ordinal");
        let rows = query.bind(payment).bind(refund).fetch_all(&self.db).await?;
        rows.iter().map(BoughtTicket::read).collect()
    }

    /// Adds the tickets and offers, which have tables of their own.
    async fn complete(&self, mut payments: Vec<Payment>) -> Result<Vec<Payment>, StoreError> {
        let completed = payments.iter().filter(|payment| payment.completed_at.is_some());
        let completed: Vec<PaymentId> = completed.map(|payment| payment.id).collect();
        let mut tickets = ticket_ids(&self.db, completed).await?;
        for payment in &mut payments {
            payment.ticket_ids = tickets.remove(&payment.id).unwrap_or_default();
            if payment.came_too_late() {
                let query = sql("SELECT offers FROM payment_offers WHERE payment_id = $1").bind(payment.id);
                let row = query.fetch_optional(&self.db).await?;
                payment.offers = row.as_ref().map(offers).transpose()?.unwrap_or_default();
            }
        }
        Ok(payments)
    }
}

async fn ticket_ids(
    on: impl Into<Executor<'_>>,
    payments: Vec<PaymentId>,
) -> Result<HashMap<PaymentId, Vec<TicketId>>, StoreError> {
    let mut tickets: HashMap<PaymentId, Vec<TicketId>> = HashMap::new();
    if payments.is_empty() {
        return Ok(tickets);
    }
    let mut query = sql("SELECT payment_id, ticket_id FROM payment_tickets WHERE payment_id IN ");
    query.push_list(payments).push(" ORDER BY payment_id, ordinal");
    for row in query.fetch_all(on).await? {
        tickets.entry(row.get("payment_id")?).or_default().push(row.get("ticket_id")?);
    }
    Ok(tickets)
}
