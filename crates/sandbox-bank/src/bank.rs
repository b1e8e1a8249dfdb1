//! What the merchant can have the bank do. Each operation is done once, however often it is asked for.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use moviebooking_domain::clock::SharedClock;
use moviebooking_store::{Batches, Db, Engine, Sql, StoreError, sql};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    BankSecret, Settings,
    at_once::{self, Asked},
    ledger::{self, Entry, Operation, add, find},
    token::{self, Token},
    webhooks,
    wire::{Amount, Answer, NewPayment, TransactionQuery, Transactions},
};

/// The bank; a clone is a handle on the same.
#[derive(Clone)]
pub struct Bank {
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) settings: Arc<Settings>,
    /// Woken when there may be a webhook to send.
    pub(crate) events: Arc<Notify>,
    pub(crate) holds: Batches<Asked, bool>,
    pub(crate) captures: Batches<Asked, Option<String>>,
}

/// Why the merchant is not answered.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// On purpose: nobody can tell from outside whether it was done.
    Lost,
    /// On purpose: the bank is down.
    Down,
    /// The bank's database failed.
    Store(StoreError),
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Bank {
    /// A bank that keeps its ledger in `db`, a database of its own with [`MIGRATIONS`](crate::MIGRATIONS).
    pub fn new(db: Db, clock: SharedClock, settings: Settings) -> Self {
        Self {
            holds: Batches::new(db.clone(), at_once::hold),
            captures: Batches::new(db.clone(), at_once::capture),
            db,
            clock,
            settings: Arc::new(settings),
            events: Arc::default(),
        }
    }

    /// What the merchant shows in every request.
    pub fn secret(&self) -> &BankSecret {
        &self.settings.secret
    }

    pub(crate) async fn authorise(&self, new: &NewPayment) -> Result<Answer, Unanswered> {
        let Some(token) = Token::parse(&new.token) else { return Ok(Answer::UnknownToken) };
        match token {
            Token::Slow => tokio::time::sleep(self.settings.slow_reply).await,
            Token::TimeoutBeforeEffect if self.first_time(new.id).await? => return Err(Unanswered::Lost),
            Token::Down(time) if self.is_down(new.id, time).await? => return Err(Unanswered::Down),
            Token::Confirm => return self.ask_buyer(new).await,
            _ => {}
        }
        let decline_code = match token {
            Token::Decline(code) => Some(code),
            _ => None,
        };
        let entry = self.entry(new.id, Operation::Authorise, new.amount.clone(), decline_code);
        let at_once = decline_code.is_none() && self.db.engine() == Engine::Postgres;
        if !at_once || !self.hold_at_once(&entry, &new.token).await? {
            let mut tx = self.db.begin().await?;
            if let Some(answer) = add(&mut tx, &entry).await? {
                return Ok(answer);
            }
            if decline_code.is_none() {
                ledger::hold(&mut tx, new.id, &new.token, &new.amount).await?;
            }
            self.tell(&mut tx, &entry, token.copies()).await?;
            tx.commit().await?;
        }
        self.events.notify_one();
        match token {
            Token::Decline(code) => Ok(Answer::Declined { code: code.to_owned() }),
            Token::TimeoutAfterEffect | Token::ReplyLost => Err(Unanswered::Lost),
            Token::WebhookFirst => {
                self.send_now(&webhooks::event_id(&entry)).await?;
                Ok(Answer::Done)
            }
            _ => Ok(Answer::Done),
        }
    }

    pub(crate) async fn capture(&self, payment: Uuid, amount: Amount) -> Result<Answer, Unanswered> {
        let entry = self.entry(payment, Operation::Capture, amount, None);
        if self.db.engine() == Engine::Postgres
            && let Some(token) = self.capture_at_once(&entry).await?
        {
            return self.done(&token);
        }
        let change = sql("UPDATE bank_payments SET captured = captured + $2 WHERE payment_id = $1 \
             AND NOT voided AND captured + $2 <= authorised AND currency = $3 AND token <> $4 RETURNING token")
        .bind(payment)
        .bind(entry.amount.minor)
        .bind(&entry.amount.currency)
        .bind(token::CAPTURE_FAILS);
        self.change(&entry, change, "capture_failed").await
    }

    pub(crate) async fn void(&self, payment: Uuid) -> Result<Answer, Unanswered> {
        let amount = match ledger::authorised(&self.db, payment).await? {
            Some(amount) => amount,
            None => match self.withdraw(payment).await? {
                Some(answer) => return Ok(answer),
                // The buyer may have confirmed it meanwhile.
                None => match ledger::authorised(&self.db, payment).await? {
                    Some(amount) => amount,
                    None => return Ok(Answer::Declined { code: "nothing_authorised".to_owned() }),
                },
            },
        };
        let change = sql("UPDATE bank_payments SET voided = TRUE WHERE payment_id = $1 \
             AND NOT voided AND captured = 0 RETURNING token");
        let entry = self.entry(payment, Operation::Void, amount, None);
        self.change(&entry, change.bind(payment), "already_captured").await
    }

    pub(crate) async fn refund(
        &self,
        payment: Uuid,
        refund: Uuid,
        amount: Amount,
    ) -> Result<Answer, Unanswered> {
        let entry = self.entry(payment, Operation::Refund(refund), amount, None);
        let change = sql("UPDATE bank_payments SET refunded = refunded + $2 WHERE payment_id = $1 \
             AND refunded + $2 <= captured AND currency = $3 RETURNING token")
        .bind(payment)
        .bind(entry.amount.minor)
        .bind(&entry.amount.currency);
        self.change(&entry, change, "more_than_captured").await
    }

    pub(crate) async fn look_up(&self, payment: Uuid, operation: Operation) -> Result<Answer, Unanswered> {
        match find(&self.db, payment, operation).await? {
            Some(past) => Ok(past.answer()),
            None if operation == Operation::Authorise => self.confirmation(payment).await,
            None => Ok(Answer::Nothing),
        }
    }

    pub(crate) async fn transactions(&self, query: &TransactionQuery) -> Result<Transactions, StoreError> {
        ledger::transactions(&self.db, query).await
    }

    pub(crate) fn entry(
        &self,
        payment: Uuid,
        operation: Operation,
        amount: Amount,
        decline_code: Option<&'static str>,
    ) -> Entry {
        Entry { payment, operation, amount, decline_code, now: self.clock.now() }
    }

    /// Carries out what changes an authorisation, a statement that answers the changed row's token; where the change is not
    /// possible, it is declined with `otherwise`.
    async fn change(&self, entry: &Entry, change: Sql, otherwise: &str) -> Result<Answer, Unanswered> {
        let mut tx = self.db.begin().await?;
        if let Some(answer) = add(&mut tx, entry).await? {
            return Ok(answer);
        }
        let Some(row) = change.fetch_optional(&mut tx).await? else {
            return Ok(Answer::Declined { code: otherwise.to_owned() });
        };
        let token: String = row.get("token")?;
        self.tell(&mut tx, entry, Token::parse(&token).map_or(1, Token::copies)).await?;
        tx.commit().await?;
        self.done(&token)
    }

    /// The answer to what was done to the authorisation of a token.
    fn done(&self, token: &str) -> Result<Answer, Unanswered> {
        self.events.notify_one();
        match Token::parse(token) {
            Some(Token::ReplyLost) => Err(Unanswered::Lost),
            _ => Ok(Answer::Done),
        }
    }

    /// Whether a payment's authorisation is asked for the first time; true once.
    async fn first_time(&self, payment: Uuid) -> Result<bool, StoreError> {
        sql("INSERT INTO bank_timeouts (idempotency_key) VALUES ($1) ON CONFLICT (idempotency_key) DO NOTHING")
            .bind(Operation::Authorise.key(payment))
            .execute(&self.db)
            .await
            .map(|inserted| inserted == 1)
    }

    /// Whether the outage that the payment's first request began still lasts.
    async fn is_down(&self, payment: Uuid, time: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let until =
            SignedDuration::try_from(time).ok().and_then(|time| now.checked_add(time).ok()).unwrap_or(now);
        sql("INSERT INTO bank_outages (payment_id, until) VALUES ($1, $2) ON CONFLICT (payment_id) DO NOTHING")
            .bind(payment)
            .bind(until)
            .execute(&self.db)
            .await?;
        let row =
            sql("SELECT until FROM bank_outages WHERE payment_id = $1").bind(payment).fetch_one(&self.db);
        Ok(now < row.await?.get("until")?)
    }
}
