//! The ledger's rows. Nothing changes or deletes one, which the database refuses.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::{Currency, Money},
};
use moviebooking_store::{Row, Sql, StoreError, Tx, sql};

use super::{Store, currency, parsed};
use crate::ledger::{Balance, Entry, Filter, Moved, Movement, PROVIDER_FEE, Posting, provider_fee};

/// Where a provider's fee stands among the lines of the event that it is for: after those that were booked with it.
const FEE_LINE: i64 = 9;

/// Books what an event of a payment moved.
pub(super) async fn book(
    tx: &mut Tx,
    payment: PaymentId,
    seq: i64,
    now: Timestamp,
    moved: Moved,
) -> Result<(), StoreError> {
    if moved.how == Movement::Voided && !is_held(tx, payment).await? {
        return Ok(());
    }
    #[cfg(feature = "sabotage")]
    if matches!(moved.how, Movement::Refunded { .. }) && moviebooking_sabotage::Fault::RefundNotBooked.is_on()
    {
        return Ok(());
    }
    for (posting, line) in moved.postings().iter().zip(1_i64..) {
        insert(payment, seq, line, now, posting, None).execute(&mut *tx).await?;
    }
    Ok(())
}

/// The statement that writes a row once, in the payment's currency unless another one is given.
fn insert(
    payment: PaymentId,
    seq: i64,
    line: i64,
    now: Timestamp,
    posting: &Posting,
    currency: Option<Currency>,
) -> Sql {
    sql("INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, \
         debit, credit, amount, refund_id) \
         SELECT id, $2, $3, $4, $5, theater_id, provider, COALESCE($10, currency), $6, $7, $8, $9 \
         FROM payments WHERE id = $1 ON CONFLICT DO NOTHING")
    .bind(payment)
    .bind(seq)
    .bind(line)
    .bind(now)
    .bind(posting.movement)
    .bind(posting.debit.name())
    .bind(posting.credit.name())
    .bind(posting.amount)
    .bind(posting.refund.map(RefundId::uuid))
    .bind(currency.map(|currency| currency.code().to_owned()))
}

async fn is_held(tx: &mut Tx, payment: PaymentId) -> Result<bool, StoreError> {
    let held = sql("SELECT seq FROM ledger WHERE payment_id = $1 AND movement = 'authorised'").bind(payment);
    Ok(held.fetch_optional(tx).await?.is_some())
}

impl Store {
    /// Books a provider's fee for what `entry` has booked, unless one was booked for it.
    pub(crate) async fn book_fee(&self, entry: &Entry, fee: Money, now: Timestamp) -> Result<(), StoreError> {
        let posting = provider_fee(fee.minor, entry.refund);
        let insert = insert(entry.payment, entry.seq, FEE_LINE, now, &posting, Some(fee.currency));
        insert.execute(&self.db).await.map(drop)
    }

    /// The providers' fees of payments, whenever they were booked.
    pub(crate) async fn booked_fees(
        &self,
        payments: impl IntoIterator<Item = PaymentId>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut query = sql("SELECT * FROM ledger WHERE movement = ");
        query.push_bind(PROVIDER_FEE);
        query.push(" AND payment_id IN ").push_list(payments);
        query.fetch_all(&self.db).await?.iter().map(Entry::read).collect()
    }

    /// Rows of the ledger, oldest first.
    pub(crate) async fn ledger_entries(&self, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
        let mut query = sql("SELECT * FROM ledger WHERE TRUE");
        narrow(&mut query, filter);
        if let Some((time, payment, seq, line)) = filter.after {
            query.push(" AND (booked_at, payment_id, seq, line) > (").push_bind(time);
            query.push(", ").push_bind(payment).push(", ").push_bind(seq).push(", ").push_bind(line);
            query.push(")");
        }
        query.push(" ORDER BY booked_at, payment_id, seq, line LIMIT ").push_bind(filter.limit);
        query.fetch_all(&self.db).await?.iter().map(Entry::read).collect()
    }

    /// What is in the accounts.
    pub(crate) async fn ledger_balances(&self, filter: &Filter) -> Result<Vec<Balance>, StoreError> {
        let mut query = sql(
            "SELECT theater_id, provider, currency, account, CAST(SUM(amount) AS BIGINT) AS balance FROM (\
             SELECT theater_id, provider, currency, debit AS account, amount FROM ledger WHERE TRUE",
        );
        narrow(&mut query, filter);
        query.push(" UNION ALL SELECT theater_id, provider, currency, credit AS account, -amount FROM ledger WHERE TRUE");
        narrow(&mut query, filter);
        query.push(
            ") AS sides GROUP BY theater_id, provider, currency, account \
             ORDER BY theater_id, provider, currency, account",
        );
        query.fetch_all(&self.db).await?.iter().map(Balance::read).collect()
    }
}

fn narrow(query: &mut Sql, filter: &Filter) {
    if let Some(theater) = filter.theater {
        query.push(" AND theater_id = ").push_bind(theater);
    }
    if let Some(provider) = &filter.provider {
        query.push(" AND provider = ").push_bind(provider);
    }
    if let Some(payment) = filter.payment {
        query.push(" AND payment_id = ").push_bind(payment);
    }
    if let Some(from) = filter.from {
        query.push(" AND booked_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND booked_at < ").push_bind(to);
    }
}

impl Entry {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            payment: row.get("payment_id")?,
            seq: row.get("seq")?,
            line: row.get("line")?,
            booked_at: row.get("booked_at")?,
            movement: row.get("movement")?,
            theater: row.get("theater_id")?,
            provider: row.get("provider")?,
            debit: parsed(row, "debit")?,
            credit: parsed(row, "credit")?,
            amount: Money::new(row.get("amount")?, currency(row)?),
            refund: row.get("refund_id")?,
        })
    }
}

impl Balance {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            theater: row.get("theater_id")?,
            provider: row.get("provider")?,
            account: parsed(row, "account")?,
            balance: Money::new(row.get("balance")?, currency(row)?),
        })
    }
}
