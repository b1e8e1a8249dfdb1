//! Payments that their buyer confirms on a page of the bank's.

use moviebooking_store::{StoreError, retry, sql};
use uuid::Uuid;

use crate::{
    Bank,
    bank::Unanswered,
    ledger::{self, Operation, add, amount},
    wire::{Amount, Answer, NewPayment},
};

/// What the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) amount: Amount,
    pub(crate) waiting: bool,
}

impl Bank {
    /// Has the buyer asked, once for the payment.
    pub(crate) async fn ask_buyer(&self, new: &NewPayment) -> Result<Answer, Unanswered> {
        sql("INSERT INTO bank_confirmations (payment_id, secret, amount, currency, state, created_at) \
             VALUES ($1, $2, $3, $4, 'WAITING', $5) ON CONFLICT (payment_id) DO NOTHING")
        .bind(new.id)
        .bind(Uuid::new_v4())
        .bind(new.amount.minor)
        .bind(&new.amount.currency)
        .bind(self.clock.now())
        .execute(&self.db)
        .await?;
        self.look_up(new.id, Operation::Authorise).await
    }

    /// How far a payment is that has no authorisation yet.
    pub(crate) async fn confirmation(&self, payment: Uuid) -> Result<Answer, Unanswered> {
        let row = sql("SELECT secret, state FROM bank_confirmations WHERE payment_id = $1").bind(payment);
        let Some(row) = row.fetch_optional(&self.db).await? else { return Ok(Answer::Nothing) };
        match row.get::<String>("state")?.as_str() {
            "WAITING" => {
                let (base, secret) = (&self.settings.public_url, row.get::<Uuid>("secret")?);
                Ok(Answer::ActionRequired { url: format!("{base}/confirm/{payment}/{secret}") })
            }
            "WITHDRAWN" => Ok(Answer::Declined { code: "withdrawn".to_owned() }),
            // Decided since the ledger was looked at.
            _ => Err(Unanswered::Lost),
        }
    }

    /// What a buyer who has the page's address sees; nothing when there is no such page.
    pub(crate) async fn shown(
        &self,
        payment: Uuid,
        secret: Uuid,
    ) -> Result<Option<Confirmation>, StoreError> {
        let query = sql(
            "SELECT amount, currency, state FROM bank_confirmations WHERE payment_id = $1 AND secret = $2",
        );
        let row = query.bind(payment).bind(secret).fetch_optional(&self.db).await?;
        row.map(|row| {
            let waiting = row.get::<String>("state")? == "WAITING";
            Ok(Confirmation { amount: amount(&row, "amount")?, waiting })
        })
        .transpose()
    }

    /// The buyer decides. False when there is nothing (any more) to decide on.
    pub(crate) async fn decide(
        &self,
        payment: Uuid,
        secret: Uuid,
        approve: bool,
    ) -> Result<bool, StoreError> {
        let decided = retry(|| async {
            let mut tx = self.db.begin().await?;
            let row = sql("UPDATE bank_confirmations SET state = $3 \
                 WHERE payment_id = $1 AND secret = $2 AND state = 'WAITING' RETURNING amount, currency")
            .bind(payment)
            .bind(secret)
            .bind(if approve { "APPROVED" } else { "DECLINED" })
            .fetch_optional(&mut tx)
            .await?;
            let Some(row) = row else { return Ok(false) };
            let amount = amount(&row, "amount")?;
            let decline_code = (!approve).then_some("confirmation_declined");
            let entry = self.entry(payment, Operation::Authorise, amount.clone(), decline_code);
            if add(&mut tx, &entry).await?.is_some() {
                return Ok(false);
            }
            if approve {
                ledger::hold(&mut tx, payment, "tok_confirm", &amount).await?;
            }
            self.tell(&mut tx, &entry, 1).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(true)
        })
        .await?;
        self.events.notify_one();
        Ok(decided)
    }

    /// Takes a payment back that its buyer has not approved, so that they cannot any more; nothing when there is none.
    pub(crate) async fn withdraw(&self, payment: Uuid) -> Result<Option<Answer>, StoreError> {
        let state = sql("UPDATE bank_confirmations SET state = 'WITHDRAWN' \
             WHERE payment_id = $1 AND state IN ('WAITING', 'DECLINED', 'WITHDRAWN') RETURNING state");
        Ok(state.bind(payment).fetch_optional(&self.db).await?.map(|_withdrawn| Answer::Done))
    }
}
