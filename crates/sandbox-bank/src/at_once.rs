//! An operation in one statement, for PostgreSQL, where nothing stands in its way. Where something does, nothing is written:
//! the transaction that does the same finds out what it is.

use moviebooking_store::{Sql, StoreError, Value, sql};

use crate::{
    Bank,
    ledger::{Entry, INSERT_OPERATION, INSERT_PAYMENT, held, values},
    token::{self, Token},
    webhooks::INSERT_EVENT,
};

/// What changes an authorisation: a statement that answers the changed row's token, or no row when the change is not
/// possible.
pub(crate) struct Change {
    pub(crate) text: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Change {
    /// The statement by itself.
    pub(crate) fn sql(&self) -> Sql {
        self.values.iter().cloned().fold(sql(self.text), Sql::bind)
    }
}

impl Bank {
    /// Holds a payment's money; false when the operation was asked for before.
    pub(crate) async fn hold_at_once(
        &self,
        entry: &Entry,
        token: &str,
        copies: i64,
    ) -> Result<bool, StoreError> {
        let mut hold = sql("WITH entry AS (");
        hold.push(INSERT_OPERATION).push(" VALUES ").push_list(values(entry));
        hold.push(" ON CONFLICT (idempotency_key) DO NOTHING RETURNING payment_id), held AS (");
        select(hold.push(INSERT_PAYMENT), held(entry.payment, token, &entry.amount), " FROM entry)");
        if let Some(event) = self.event(entry) {
            select(hold.push(", told AS (").push(INSERT_EVENT), event, ", ");
            hold.push_bind(copies).push(", 0 FROM entry)");
        }
        hold.push(" SELECT payment_id FROM entry");
        Ok(hold.fetch_optional(&self.db).await?.is_some())
    }

    /// Changes an authorisation and gives its token; nothing when that is not possible, or was asked for before.
    pub(crate) async fn change_at_once(
        &self,
        entry: &Entry,
        change: &Change,
    ) -> Result<Option<String>, StoreError> {
        let mut statement = change.values.iter().cloned().fold(sql("WITH changed AS ("), Sql::bind);
        statement.push(change.text);
        select(statement.push("), entry AS (").push(INSERT_OPERATION), values(entry), " FROM changed)");
        if let Some(event) = self.event(entry) {
            select(statement.push(", told AS (").push(INSERT_EVENT), event, ", CASE token WHEN ");
            statement.push_bind(token::WEBHOOK_TWICE).push(" THEN ").push_bind(Token::WebhookTwice.copies());
            statement.push(" ELSE 1 END, 0 FROM changed)");
        }
        statement.push(" SELECT token FROM changed");
        match statement.fetch_optional(&self.db).await {
            Ok(Some(row)) => row.get::<String>("token").map(Some),
            Ok(None) | Err(StoreError::UniqueViolation { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// ` SELECT $1, $2 …` and what follows.
fn select<const N: usize>(statement: &mut Sql, values: [Value; N], rest: &'static str) {
    let mut separator = " SELECT ";
    for value in values {
        statement.push(separator).push_bind(value);
        separator = ", ";
    }
    statement.push(rest);
}
