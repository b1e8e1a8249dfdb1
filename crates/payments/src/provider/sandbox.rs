//! A bank to try the platform with: no money, a durable ledger, and tokens that make it fail on purpose.
//!
//! | token | what happens |
//! |---|---|
//! | `tok_approve` | every operation succeeds |
//! | `tok_insufficient_funds` | declined with `insufficient_funds` |
//! | `tok_expired_card` | declined with `expired_card` |
//! | `tok_fraud` | declined with `fraud` |
//! | `tok_timeout_before_effect` | the first authorisation times out and did nothing; the next succeeds |
//! | `tok_timeout_after_effect` | the first authorisation times out although it succeeded |
//! | `tok_reply_lost` | every operation succeeds and the reply to its first request is lost |
//! | `tok_slow` | the authorisation takes [`SLOW_REPLY`] and succeeds |
//! | `tok_capture_fails` | authorised; the capture is declined with `capture_failed` |
//! | anything else | unknown token |

mod ledger;

use std::time::Duration;

use moviebooking_domain::{
    clock::SharedClock,
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_store::{Db, Migrations, StoreError, migration, sql};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Authorisation, Charged, Found, Notice, Operation, Provider, ProviderError, TransactionPage,
    TransactionQuery, Webhook, WebhookRefused,
};
use ledger::{Entry, add, find};

/// The bank's tables, which have a database of their own, as another company's would.
pub static MIGRATIONS: Migrations = Migrations::new(&[migration!(1, "migrations/sandbox/0001_bank.sql")]);

/// How long `tok_slow` takes where nothing else is asked for.
pub const SLOW_REPLY: Duration = Duration::from_secs(2);

/// The code of a declined capture.
const CAPTURE_FAILED: &str = "capture_failed";

/// The tokens that the bank knows, apart from those that decline.
mod token {
    pub(super) const APPROVE: &str = "tok_approve";
    pub(super) const TIMEOUT_BEFORE_EFFECT: &str = "tok_timeout_before_effect";
    pub(super) const TIMEOUT_AFTER_EFFECT: &str = "tok_timeout_after_effect";
    pub(super) const REPLY_LOST: &str = "tok_reply_lost";
    pub(super) const SLOW: &str = "tok_slow";
    pub(super) const CAPTURE_FAILS: &str = "tok_capture_fails";

    /// Those that authorise in the end.
    pub(super) const APPROVING: [&str; 6] =
        [APPROVE, TIMEOUT_BEFORE_EFFECT, TIMEOUT_AFTER_EFFECT, REPLY_LOST, SLOW, CAPTURE_FAILS];
}

/// The sandbox bank.
#[derive(Clone)]
pub struct SandboxBank {
    db: Db,
    clock: SharedClock,
    slow_reply: Duration,
}

impl SandboxBank {
    /// A bank that keeps its ledger in `db`, a database of its own with [`MIGRATIONS`]; `slow_reply` is how long
    /// `tok_slow` takes ([`SLOW_REPLY`]).
    pub fn new(db: Db, clock: SharedClock, slow_reply: Duration) -> Self {
        Self { db, clock, slow_reply }
    }

    fn entry(&self, operation: Operation, amount: Money, decline_code: Option<&'static str>) -> Entry {
        Entry { operation, amount, decline_code, now: self.clock.now() }
    }

    /// The first request times out before its effect, once for each key.
    async fn times_out(&self, operation: Operation) -> Result<bool, StoreError> {
        sql("INSERT INTO bank_timeouts (idempotency_key) VALUES ($1) ON CONFLICT (idempotency_key) DO NOTHING")
            .bind(operation.to_string())
            .execute(&self.db)
            .await
            .map(|inserted| inserted == 1)
    }

    /// Carries out what changes an authorisation: `change` answers the changed row's token, or no row when the change
    /// is not possible, which is declined with `otherwise`.
    async fn change(
        &self,
        entry: Entry,
        change: moviebooking_store::Sql,
        otherwise: &str,
    ) -> Result<(), ProviderError> {
        let mut tx = self.db.begin().await?;
        if let Some(answer) = add(&mut tx, &entry).await? {
            return answer;
        }
        let Some(row) = change.fetch_optional(&mut tx).await? else {
            return Err(ProviderError::Declined(otherwise.to_owned()));
        };
        tx.commit().await?;
        answer(row.get::<String>("token")? == token::REPLY_LOST)
    }
}

#[tonic::async_trait]
impl Provider for SandboxBank {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<Authorisation, ProviderError> {
        let token = token.expose_secret();
        let operation = Operation::Authorise(payment);
        let decline_code = match token {
            "tok_insufficient_funds" => Some("insufficient_funds"),
            "tok_expired_card" => Some("expired_card"),
            "tok_fraud" => Some("fraud"),
            known if token::APPROVING.contains(&known) => None,
            _ => return Err(ProviderError::InvalidToken),
        };
        if token == token::SLOW {
            tokio::time::sleep(self.slow_reply).await;
        }
        if token == token::TIMEOUT_BEFORE_EFFECT && self.times_out(operation).await? {
            return Err(ProviderError::Unknown("timed out".to_owned()));
        }
        let mut tx = self.db.begin().await?;
        if let Some(answer) = add(&mut tx, &self.entry(operation, amount, decline_code)).await? {
            return answer.map(|()| held(payment));
        }
        if decline_code.is_none() {
            sql("INSERT INTO bank_payments (payment_id, token, authorised, captured, refunded, currency, voided) \
                 VALUES ($1, $2, $3, 0, 0, $4, FALSE)")
            .bind(payment)
            .bind(token)
            .bind(amount.minor)
            .bind(amount.currency.code())
            .execute(&mut tx)
            .await?;
        }
        tx.commit().await?;
        match decline_code {
            Some(code) => Err(ProviderError::Declined(code.to_owned())),
            None => answer(token == token::TIMEOUT_AFTER_EFFECT || token == token::REPLY_LOST)
                .map(|()| held(payment)),
        }
    }

    async fn capture(&self, payment: &Charged, amount: Money) -> Result<(), ProviderError> {
        let payment = payment.id;
        let change = sql("UPDATE bank_payments SET captured = captured + $2 WHERE payment_id = $1 \
             AND NOT voided AND captured + $2 <= authorised AND currency = $3 AND token <> $4 RETURNING token")
        .bind(payment)
        .bind(amount.minor)
        .bind(amount.currency.code())
        .bind(token::CAPTURE_FAILS);
        self.change(self.entry(Operation::Capture(payment), amount, None), change, CAPTURE_FAILED).await
    }

    async fn void(&self, payment: &Charged) -> Result<(), ProviderError> {
        let payment = payment.id;
        let Some(amount) = ledger::authorised(&self.db, payment).await? else {
            return Err(ProviderError::Declined("nothing_authorised".to_owned()));
        };
        let change = sql("UPDATE bank_payments SET voided = TRUE WHERE payment_id = $1 \
             AND NOT voided AND captured = 0 RETURNING token")
        .bind(payment);
        self.change(self.entry(Operation::Void(payment), amount, None), change, "already_captured").await
    }

    async fn refund(&self, payment: &Charged, refund: RefundId, amount: Money) -> Result<(), ProviderError> {
        let payment = payment.id;
        let change = sql("UPDATE bank_payments SET refunded = refunded + $2 WHERE payment_id = $1 \
             AND refunded + $2 <= captured AND currency = $3 RETURNING token")
        .bind(payment)
        .bind(amount.minor)
        .bind(amount.currency.code());
        self.change(
            self.entry(Operation::Refund(payment, refund), amount, None),
            change,
            "more_than_captured",
        )
        .await
    }

    async fn look_up(&self, payment: &Charged, operation: Operation) -> Result<Found, ProviderError> {
        let Some(past) = find(&self.db, operation).await? else { return Ok(Found::Nothing) };
        Ok(match (past.decline_code, operation) {
            (Some(code), _) => Found::Declined(code),
            (None, Operation::Authorise(_)) => Found::Authorisation(held(payment.id)),
            (None, _) => Found::Done,
        })
    }

    async fn transactions(&self, query: &TransactionQuery) -> Result<TransactionPage, ProviderError> {
        Ok(ledger::transactions(&self.db, query).await?)
    }

    fn read_webhook(&self, _: &Webhook<'_>) -> Result<Notice, WebhookRefused> {
        Err(WebhookRefused::NotConfigured)
    }
}

/// The bank calls a payment as the merchant does.
fn held(payment: PaymentId) -> Authorisation {
    Authorisation { reference: payment.to_string(), action: None }
}

/// What the merchant hears of an operation that was carried out now for the first time.
fn answer(reply_lost: bool) -> Result<(), ProviderError> {
    if reply_lost { Err(ProviderError::Unknown("reply lost".to_owned())) } else { Ok(()) }
}

/// A bank whose database fails does not say what happened.
impl From<StoreError> for ProviderError {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error.chain())
    }
}
