//! What is read of the ledger.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId, TheaterId},
    money::Money,
};
use moviebooking_fields::Page;
use moviebooking_proto::Problem;

use super::Account;
use crate::Service;

/// Which rows to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) theater: Option<TheaterId>,
    pub(crate) provider: Option<String>,
    pub(crate) payment: Option<PaymentId>,
    /// The first instant that counts.
    pub(crate) from: Option<Timestamp>,
    /// The first instant that does not any more.
    pub(crate) to: Option<Timestamp>,
    /// The row before the first one: its time, payment, event and line.
    pub(crate) after: Option<(Timestamp, PaymentId, i64, i64)>,
    pub(crate) limit: i64,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) payment: PaymentId,
    /// The event of the payment that it belongs to.
    pub(crate) seq: i64,
    pub(crate) line: i64,
    pub(crate) booked_at: Timestamp,
    pub(crate) movement: String,
    pub(crate) theater: TheaterId,
    pub(crate) provider: String,
    pub(crate) debit: Account,
    pub(crate) credit: Account,
    /// Always positive.
    pub(crate) amount: Money,
    pub(crate) refund: Option<RefundId>,
}

/// What is in an account: debit minus credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) theater: TheaterId,
    pub(crate) provider: String,
    pub(crate) account: Account,
    pub(crate) balance: Money,
}

impl Service {
    /// A page of the ledger, oldest first, and the token of the next page.
    pub(crate) async fn ledger_entries(
        &self,
        page: &Page,
        filter: Filter,
    ) -> Result<(Vec<Entry>, String), Problem> {
        let after = page.after.as_deref().map(last_shown).transpose()?;
        let mut entries = self.store.ledger_entries(&Filter { after, limit: page.limit(), ..filter }).await?;
        let next = page.cut(&mut entries, |last| {
            let Entry { booked_at, payment, seq, line, .. } = last;
            vec![booked_at.to_string(), payment.to_string(), seq.to_string(), line.to_string()]
        });
        Ok((entries, next))
    }
}

/// The row that a page token names. Its checksum is no secret, so it may hold anything.
fn last_shown(key: &[String]) -> Result<(Timestamp, PaymentId, i64, i64), Problem> {
    let parse = || -> Option<(Timestamp, PaymentId, i64, i64)> {
        let [time, payment, seq, line] = key else { return None };
        let payment = uuid::Uuid::try_parse(payment).ok()?;
        Some((time.parse().ok()?, payment.into(), seq.parse().ok()?, line.parse().ok()?))
    };
    parse().ok_or_else(|| Problem::invalid("page_token", "use next_page_token as the platform gave it"))
}
