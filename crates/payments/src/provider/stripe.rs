//! Stripe: PaymentIntents that are captured later (<https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>).
//!
//! A payment is one PaymentIntent, which has our id in its metadata. Every request that changes something carries our
//! key of the operation as its idempotency key, which Stripe remembers for at least 24 hours; what happened longer ago
//! is found by the metadata before anything is sent again. A failure that it remembers does not last as long
//! (`client.rs`). A PaymentIntent that was declined is cancelled before we say so: who has its client secret could
//! otherwise confirm it later with another card.

mod amount;
mod client;
mod event;
mod object;

use std::{path::PathBuf, sync::Arc};

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::{Currency, Money},
};
use moviebooking_process::Credential;
use moviebooking_sandbox_bank::Bank;
use moviebooking_serve::StartError;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Authorisation, BuyerAction, Charged, Found, Notice, Open, Operation, Provider, ProviderError,
    TransactionPage, TransactionQuery, Webhook, WebhookRefused, signature,
};
use client::{Client, Refusal};
use object::{List, PaymentIntent, Refund, Status};

/// The header with a webhook's signature.
const SIGNATURE_HEADER: &str = "stripe-signature";
/// The metadata by which Stripe's objects are found to be ours.
const PAYMENT: &str = "payment_id";
const REFUND: &str = "refund_id";
/// How many seconds Stripe's clock may be behind ours.
const CLOCKS_APART: u64 = 300;
/// How many pages of a hundred payment intents are read to find one.
const MOST_PAGES: usize = 10;
/// In the place of an id for a payment of nothing, which Stripe does not take: it is not asked about it.
const NOTHING: &str = "nothing";

/// How Stripe is reached.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "stripe")]
pub struct Args {
    /// File with Stripe's secret key (sk_… or rk_…); or set MOVIEBOOKING_STRIPE_KEY to the key itself.
    #[arg(long, env = "MOVIEBOOKING_STRIPE_KEY_FILE", value_name = "FILE")]
    stripe_key_file: Option<PathBuf>,
    /// File with the signing secret of Stripe's webhooks (whsec_…) to /payments/webhooks/stripe; or set
    /// MOVIEBOOKING_STRIPE_WEBHOOK_SECRET to the secret itself. Without it buyers' confirmations are noticed some
    /// seconds later, and refunds that fail afterwards are not.
    #[arg(long, env = "MOVIEBOOKING_STRIPE_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    stripe_webhook_secret_file: Option<PathBuf>,
    /// Page of yours to which banks send buyers back after they confirmed a payment; without it Stripe's own code in the
    /// page goes on with the client secret.
    #[arg(long, env = "MOVIEBOOKING_STRIPE_RETURN_URL", value_name = "URL")]
    stripe_return_url: Option<String>,
    /// Where Stripe's API is.
    #[arg(
        long,
        env = "MOVIEBOOKING_STRIPE_API_URL",
        value_name = "URL",
        default_value = "https://api.stripe.com",
        hide = true
    )]
    stripe_api_url: String,
}

impl Open for Args {
    fn open(&self, _: Option<&Bank>) -> Result<Arc<dyn Provider>, StartError> {
        let key = Credential {
            variable: "MOVIEBOOKING_STRIPE_KEY",
            flag: "--stripe-key-file",
            file: self.stripe_key_file.as_deref(),
        };
        let key = key.read()?;
        if !["sk_", "rk_"].iter().any(|prefix| key.expose_secret().starts_with(prefix)) {
            return Err(StartError::usage(
                "Stripe's key (MOVIEBOOKING_STRIPE_KEY): use a secret key, sk_… or rk_…",
            ));
        }
        let secret = Credential {
            variable: "MOVIEBOOKING_STRIPE_WEBHOOK_SECRET",
            flag: "--stripe-webhook-secret-file",
            file: self.stripe_webhook_secret_file.as_deref(),
        };
        let webhook_secret = secret.read_optional()?;
        if webhook_secret.as_ref().is_some_and(|secret| !secret.expose_secret().starts_with("whsec_")) {
            let text =
                "Stripe's webhook secret (MOVIEBOOKING_STRIPE_WEBHOOK_SECRET): use a signing secret, whsec_…";
            return Err(StartError::usage(text));
        }
        let client = Client::new(&self.stripe_api_url, key)?;
        Ok(Arc::new(Stripe { client, webhook_secret, return_url: self.stripe_return_url.clone() }))
    }
}

/// Stripe.
struct Stripe {
    client: Client,
    webhook_secret: Option<SecretString>,
    return_url: Option<String>,
}

impl Stripe {
    /// The payment's intent as it is now; nothing when Stripe has none.
    async fn intent(&self, payment: &Charged) -> Result<Option<PaymentIntent>, ProviderError> {
        if payment.reference.is_empty() {
            return self.unnamed_intent(payment.id).await;
        }
        let path = object::path("v1/payment_intents", &payment.reference)?;
        match self.client.get(&path, &[]).await {
            Ok(intent) => Ok(Some(intent)),
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(no_answer(refusal)),
        }
    }

    /// The intent of a payment that is known by our id alone. Stripe's list is right at once, but long; its search lags
    /// a minute, and sometimes an hour (<https://docs.stripe.com/search#data-freshness>). So the list is read first, as
    /// far back as the payment, and of very many the newest.
    async fn unnamed_intent(&self, payment: PaymentId) -> Result<Option<PaymentIntent>, ProviderError> {
        let created = payment.uuid().get_timestamp().map_or(0, |time| time.to_unix().0);
        let mut query = vec![
            ("created[gte]", created.saturating_sub(CLOCKS_APART).to_string()),
            ("limit", "100".to_owned()),
        ];
        for _ in 0..MOST_PAGES {
            let page: List<PaymentIntent> =
                self.client.get("v1/payment_intents", &query).await.map_err(no_answer)?;
            let last = page.data.last().map(|intent| intent.id.clone());
            if let Some(found) = page.data.into_iter().find(|intent| intent.payment() == Some(payment)) {
                return Ok(Some(found));
            }
            let Some(last) = last.filter(|_| page.has_more) else { return Ok(None) };
            query.truncate(2);
            query.push(("starting_after", last));
        }
        let query = format!("metadata['{PAYMENT}']:'{payment}'");
        let found: List<PaymentIntent> =
            self.client.get("v1/payment_intents/search", &[("query", query)]).await.map_err(no_answer)?;
        Ok(found.data.into_iter().find(|intent| intent.payment() == Some(payment)))
    }

    /// The path of what is done to the payment's intent.
    async fn path_of(&self, payment: &Charged, action: &str) -> Result<String, ProviderError> {
        let found;
        let reference = if payment.reference.is_empty() {
            found = self.intent(payment).await?.ok_or_else(|| declined("nothing_authorised"))?;
            &found.id
        } else {
            &payment.reference
        };
        Ok(format!("{}/{action}", object::path("v1/payment_intents", reference)?))
    }

    /// What an intent says of the authorisation.
    async fn authorisation(
        &self,
        intent: PaymentIntent,
        payment: PaymentId,
    ) -> Result<Authorisation, ProviderError> {
        let reference = intent.id.clone();
        match intent.status {
            Status::RequiresCapture | Status::Succeeded => Ok(Authorisation { reference, action: None }),
            Status::RequiresAction => {
                let action = BuyerAction {
                    url: intent.next_action.and_then(|next| next.redirect_to_url).unwrap_or_default().url,
                    client_secret: intent.client_secret,
                };
                Ok(Authorisation { reference, action: Some(action) })
            }
            Status::RequiresPaymentMethod => {
                self.void(&Charged { id: payment, reference }).await?;
                Err(declined(intent.last_payment_error.as_ref().map_or("declined", |error| error.code())))
            }
            Status::Canceled => {
                Err(declined(intent.last_payment_error.as_ref().map_or("canceled", |error| error.code())))
            }
            status => Err(ProviderError::Unknown(format!("the payment intent is {status:?}"))),
        }
    }

    /// Our refund among those of the payment.
    async fn find_refund(
        &self,
        payment: &Charged,
        refund: RefundId,
    ) -> Result<Option<Refund>, ProviderError> {
        let mut query = vec![("payment_intent", payment.reference.clone()), ("limit", "100".to_owned())];
        loop {
            let page: List<Refund> = self.client.get("v1/refunds", &query).await.map_err(no_answer)?;
            let last = page.data.last().map(|refund| refund.id.clone());
            if let Some(found) = page.data.into_iter().find(|found| found.refund() == Some(refund)) {
                return Ok(Some(found));
            }
            match last.filter(|_| page.has_more) {
                Some(last) => {
                    query.truncate(2);
                    query.push(("starting_after", last));
                }
                None => return Ok(None),
            }
        }
    }
}

#[tonic::async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn unit(&self, currency: Currency) -> i64 {
        amount::unit(currency)
    }

    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<Authorisation, ProviderError> {
        if amount.minor == 0 {
            return Ok(Authorisation { reference: NOTHING.to_owned(), action: None });
        }
        let method = match token.expose_secret() {
            token if token.starts_with("pm_") => "payment_method",
            token if token.starts_with("ctoken_") => "confirmation_token",
            _ => return Err(ProviderError::InvalidToken),
        };
        let mut form = vec![
            (
                "amount",
                amount::to_stripe(amount).ok_or_else(|| declined("amount_not_supported"))?.to_string(),
            ),
            ("currency", amount.currency.code().to_ascii_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("confirm", "true".to_owned()),
            ("payment_method_types[]", "card".to_owned()),
            (method, token.expose_secret().to_owned()),
            ("metadata[payment_id]", payment.to_string()),
        ];
        form.extend(self.return_url.iter().map(|url| ("return_url", url.clone())));
        let key = Operation::Authorise(payment);
        match self.client.post("v1/payment_intents", &key, &form).await {
            Ok(intent) => self.authorisation(intent, payment).await,
            Err(Refusal::Stripe(error)) => match error.payment_intent() {
                Some(intent) if error.is_card_error() => self.authorisation(intent, payment).await,
                _ if error.is_about_payment_method() => Err(ProviderError::InvalidToken),
                _ => Err(error.verdict()),
            },
            Err(refusal) => Err(no_answer(refusal)),
        }
    }

    async fn capture(&self, payment: &Charged, amount: Money) -> Result<(), ProviderError> {
        if payment.reference == NOTHING {
            return Ok(());
        }
        let minor = amount::to_stripe(amount).ok_or_else(|| declined("amount_not_supported"))?;
        let path = self.path_of(payment, "capture").await?;
        let form = [("amount_to_capture", minor.to_string())];
        let key = Operation::Capture(payment.id);
        match self.client.post::<PaymentIntent>(&path, &key, &form).await.map_err(Refusal::or_intent) {
            Ok(intent) | Err(Ok(intent)) => match intent.status {
                Status::Succeeded => Ok(()),
                Status::Canceled => Err(declined("canceled")),
                status => Err(ProviderError::Unknown(format!("the payment intent is {status:?}"))),
            },
            Err(Err(error)) => Err(error),
        }
    }

    async fn void(&self, payment: &Charged) -> Result<(), ProviderError> {
        if payment.reference == NOTHING {
            return Ok(());
        }
        let path = self.path_of(payment, "cancel").await?;
        let key = Operation::Void(payment.id);
        match self.client.post::<PaymentIntent>(&path, &key, &[]).await.map_err(Refusal::or_intent) {
            Ok(intent) | Err(Ok(intent)) => match intent.status {
                Status::Canceled => Ok(()),
                Status::Succeeded => Err(declined("already_captured")),
                status => Err(ProviderError::Unknown(format!("the payment intent is {status:?}"))),
            },
            Err(Err(error)) => Err(error),
        }
    }

    async fn refund(&self, payment: &Charged, refund: RefundId, amount: Money) -> Result<(), ProviderError> {
        if payment.reference == NOTHING {
            return Ok(());
        }
        let minor = amount::to_stripe(amount).ok_or_else(|| declined("amount_not_supported"))?;
        let form = [
            ("payment_intent", payment.reference.clone()),
            ("amount", minor.to_string()),
            ("metadata[payment_id]", payment.id.to_string()),
            ("metadata[refund_id]", refund.to_string()),
        ];
        let key = Operation::Refund(payment.id, refund);
        match self.client.post::<Refund>("v1/refunds", &key, &form).await {
            Ok(refund) => refund.verdict(),
            Err(Refusal::Stripe(error)) => Err(error.verdict()),
            Err(refusal) => Err(no_answer(refusal)),
        }
    }

    async fn look_up(&self, payment: &Charged, operation: Operation) -> Result<Found, ProviderError> {
        if payment.reference == NOTHING {
            return Ok(Found::Nothing);
        }
        if let Operation::Refund(_, refund) = operation {
            let Some(found) = self.find_refund(payment, refund).await? else { return Ok(Found::Nothing) };
            return found.verdict().map(|()| Found::Done).or_else(found_declined);
        }
        let Some(intent) = self.intent(payment).await? else { return Ok(Found::Nothing) };
        Ok(match (operation, &intent.status) {
            (Operation::Authorise(id), _) => {
                return self
                    .authorisation(intent, id)
                    .await
                    .map(Found::Authorisation)
                    .or_else(found_declined);
            }
            (Operation::Capture(_), Status::Succeeded) | (Operation::Void(_), Status::Canceled) => {
                Found::Done
            }
            (Operation::Capture(_), Status::Canceled) => Found::Declined("canceled".to_owned()),
            (Operation::Void(_), Status::Succeeded) => Found::Declined("already_captured".to_owned()),
            _ => Found::Nothing,
        })
    }

    async fn transactions(&self, query: &TransactionQuery) -> Result<TransactionPage, ProviderError> {
        let mut parameters = vec![
            ("created[gte]", query.from.as_second().to_string()),
            ("created[lt]", query.to.as_second().to_string()),
            ("limit", "100".to_owned()),
            ("expand[]", "data.source".to_owned()),
        ];
        parameters.extend(query.after.iter().map(|after| ("starting_after", after.clone())));
        let page: List<object::BalanceTransaction> =
            self.client.get("v1/balance_transactions", &parameters).await.map_err(no_answer)?;
        let next = page.data.last().filter(|_| page.has_more).map(|last| last.id.clone());
        let transactions = page.data.into_iter().filter_map(|moved| moved.transaction().transpose());
        Ok(TransactionPage { transactions: transactions.collect::<Result<_, _>>()?, next })
    }

    fn read_webhook(&self, webhook: &Webhook<'_>) -> Result<Notice, WebhookRefused> {
        let secret = self.webhook_secret.as_ref().ok_or(WebhookRefused::NotConfigured)?;
        signature::verify(webhook.headers.get(SIGNATURE_HEADER), secret, webhook)?;
        event::read(webhook.body)
    }
}

fn declined(code: &str) -> ProviderError {
    ProviderError::Declined(code.to_owned())
}

/// A refusal of a request that cannot be declined.
fn no_answer(refusal: Refusal) -> ProviderError {
    ProviderError::Unknown(refusal.to_string())
}

fn found_declined(error: ProviderError) -> Result<Found, ProviderError> {
    match error {
        ProviderError::Declined(code) => Ok(Found::Declined(code)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests;
