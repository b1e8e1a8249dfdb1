//! The operations of every booking, for PostgreSQL: one statement for all that are asked for at the same time. Where
//! something stands in the way of one, nothing is written of it: the transaction that does the same finds out what it is.

use moviebooking_store::{Db, Kind, Running, Sql, StoreError, Value, by_number, sql};

use crate::{
    Bank,
    ledger::{Entry, INSERT_OPERATION, INSERT_PAYMENT},
    token::{self, Token},
    webhooks::INSERT_EVENT,
};

/// An operation to be carried out.
pub(crate) struct Asked {
    values: [Value; 9],
    /// Whether the merchant is told.
    told: bool,
}

/// Its columns, of which the last two are those of the merchant's webhook, if there is one.
const COLUMNS: &str = "asked (idempotency_key, payment_id, operation, amount, currency, created_at, token, event_id, body, number)";
const KINDS: [Kind; 9] = {
    use Kind::{I64, Text, Time, Uuid};
    [Text, Uuid, Text, I64, Text, Time, Text, Text, Text]
};

impl Bank {
    /// Holds a payment's money; false when the operation was asked for before.
    pub(crate) async fn hold_at_once(&self, entry: &Entry, token: &str) -> Result<bool, StoreError> {
        self.holds.run(self.asked(entry, token)).await
    }

    /// Captures what is held and gives its token; nothing when that is not possible, or was asked for before.
    pub(crate) async fn capture_at_once(&self, entry: &Entry) -> Result<Option<String>, StoreError> {
        match self.captures.run(self.asked(entry, "")).await {
            Err(StoreError::UniqueViolation { .. }) => Ok(None),
            result => result,
        }
    }

    fn asked(&self, entry: &Entry, token: &str) -> Asked {
        let (event_id, body) = self.event(entry).unzip();
        let told = body.is_some();
        let values = [
            entry.operation.key(entry.payment).into(),
            entry.payment.into(),
            entry.operation.name().into(),
            entry.amount.minor.into(),
            (&entry.amount.currency).into(),
            entry.now.into(),
            token.into(),
            event_id.into(),
            body.into(),
        ];
        Asked { values, told }
    }
}

/// Says for each whether its money is held now, and was not asked for before.
pub(crate) fn hold<'a>(db: &'a Db, batch: &'a [Asked]) -> Running<'a, bool> {
    Box::pin(async move {
        let mut hold = sql("WITH asked AS (SELECT * FROM ");
        push_asked(&mut hold, batch);
        hold.push("), entry AS (").push(INSERT_OPERATION);
        hold.push(
            " SELECT idempotency_key, payment_id, operation, amount, currency, NULL, created_at FROM asked \
             ON CONFLICT (idempotency_key) DO NOTHING RETURNING idempotency_key), \
             done AS (SELECT asked.* FROM asked JOIN entry USING (idempotency_key)), held AS (",
        );
        hold.push(INSERT_PAYMENT);
        hold.push(" SELECT payment_id, token, amount, currency, 0, 0, FALSE FROM done)");
        tell(&mut hold, batch);
        let done = by_number(&hold.fetch_all(db).await?, batch.len(), |_row| Ok(()))?;
        Ok(done.iter().map(Option::is_some).collect())
    })
}

/// Captures what is held, and gives the token of each authorisation.
pub(crate) fn capture<'a>(db: &'a Db, batch: &'a [Asked]) -> Running<'a, Option<String>> {
    Box::pin(async move {
        let mut capture =
            sql("WITH done AS (UPDATE bank_payments SET captured = captured + asked.amount FROM ");
        push_asked(&mut capture, batch);
        capture.push(
            " WHERE bank_payments.payment_id = asked.payment_id AND NOT voided \
             AND captured + asked.amount <= authorised AND bank_payments.currency = asked.currency \
             AND bank_payments.token <> ",
        );
        capture.push_bind(token::CAPTURE_FAILS);
        capture.push(
            " RETURNING idempotency_key, asked.payment_id, operation, asked.amount, asked.currency, created_at, \
             bank_payments.token, event_id, body, number), entry AS (",
        );
        capture.push(INSERT_OPERATION);
        capture.push(
            " SELECT idempotency_key, payment_id, operation, amount, currency, NULL, created_at FROM done)",
        );
        tell(&mut capture, batch);
        by_number(&capture.fetch_all(db).await?, batch.len(), |row| row.get("token"))
    })
}

fn push_asked(statement: &mut Sql, batch: &[Asked]) {
    statement.push_few(COLUMNS, KINDS, batch.iter().map(|asked| asked.values.clone()));
}

/// Writes down the merchant's webhooks of what is done, and answers what that is.
fn tell(statement: &mut Sql, batch: &[Asked]) {
    if batch.iter().any(|asked| asked.told) {
        statement.push(", told AS (").push(INSERT_EVENT);
        statement
            .push(" SELECT event_id, body, created_at, CASE token WHEN ")
            .push_bind(token::WEBHOOK_TWICE);
        statement.push(" THEN ").push_bind(Token::WebhookTwice.copies()).push(" ELSE 1 END, 0 FROM done)");
    }
    statement.push(" SELECT number, token FROM done");
}
