//! Reading tickets.

use moviebooking_domain::id::{PaymentId, ShowtimeId, TheaterId, TicketId, UserId};
use moviebooking_store::{Db, Executor, StoreError, sql};

use super::row::{columns, ticket, tickets};
use crate::ticket::Ticket;

/// Whose tickets a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Everybody's.
    All,
    /// Those of an account.
    Own(UserId),
    /// Those of an account, and everybody's for these theaters.
    Staff(UserId, Vec<TheaterId>),
}

/// Which tickets a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) viewer: Viewer,
    pub(crate) showtime: Option<ShowtimeId>,
    pub(crate) payment: Option<PaymentId>,
}

pub(crate) async fn get(on: impl Into<Executor<'_>>, id: TicketId) -> Result<Option<Ticket>, StoreError> {
    let row = sql(concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1"))
        .bind(id)
        .fetch_optional(on)
        .await?;
    row.as_ref().map(ticket).transpose()
}

/// All tickets of a payment, in the order in which its seats were named.
pub(crate) async fn of_payment(
    on: impl Into<Executor<'_>>,
    payment: PaymentId,
) -> Result<Vec<Ticket>, StoreError> {
    let rows = sql(concat!("SELECT ", columns!(), " FROM tickets WHERE payment_id = $1 ORDER BY id"))
        .bind(payment)
        .fetch_all(on)
        .await?;
    tickets(&rows)
}

/// At most `limit` tickets, newest first; those older than `before` if given.
pub(crate) async fn list(
    db: &Db,
    filter: &Filter,
    before: Option<TicketId>,
    limit: i64,
) -> Result<Vec<Ticket>, StoreError> {
    let mut query = sql(concat!("SELECT ", columns!(), " FROM tickets WHERE 1 = 1"));
    match &filter.viewer {
        Viewer::All => {}
        Viewer::Own(user) => {
            query.push(" AND user_id = ").push_bind(*user);
        }
        Viewer::Staff(user, theaters) => {
            query.push(" AND (user_id = ").push_bind(*user);
            query.push(" OR theater_id IN ").push_list(theaters.iter().copied()).push(")");
        }
    }
    if let Some(showtime) = filter.showtime {
        query.push(" AND showtime_id = ").push_bind(showtime);
    }
    if let Some(payment) = filter.payment {
        query.push(" AND payment_id = ").push_bind(payment);
    }
    if let Some(before) = before {
        query.push(" AND id < ").push_bind(before);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    tickets(&query.fetch_all(db).await?)
}
