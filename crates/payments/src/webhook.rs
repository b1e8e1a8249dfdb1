//! Takes what a provider tells on its own. A webhook is a hint: once per event it wakes the payment that it is about,
//! whose next step asks the provider what is so now. So a forged one does nothing, and their order does not matter.

use moviebooking_proto::{Problem, Reason, payments::v1::webhook_receipt::Outcome};

use crate::{
    Service,
    provider::{Happened, Webhook, WebhookRefused},
};

impl Service {
    /// Checks a webhook to the provider of this name and acts on it, unless it was acted on before.
    pub(crate) async fn receive(&self, provider: &str, webhook: &Webhook<'_>) -> Result<Outcome, Problem> {
        if provider != self.provider.name() {
            return Err(Problem::new(
                Reason::ProviderNotFound,
                "The platform does not use this payment provider.",
            )
            .field("provider", format!("use {}", self.provider.name())));
        }
        let notice = self.provider.read_webhook(webhook)?;
        let outcome = self.store.apply_notice(provider, &notice, webhook.now).await?;
        if let (Outcome::Applied, Happened::RefundFailed { code, .. }) = (outcome, &notice.happened) {
            tracing::error!(payment = ?notice.payment, code, "a refund did not reach its buyer: pay it back by hand");
        }
        tracing::debug!(event = notice.id, kind = notice.kind, ?outcome, "webhook");
        Ok(outcome)
    }
}

impl From<WebhookRefused> for Problem {
    fn from(refused: WebhookRefused) -> Self {
        let (reason, message) = match refused {
            WebhookRefused::Signature => (
                Reason::WebhookSignatureInvalid,
                "The signature is missing or was not made with the webhook secret.",
            ),
            WebhookRefused::Stale => {
                (Reason::WebhookSignatureInvalid, "The signature is more than five minutes away from now.")
            }
            WebhookRefused::NotConfigured => (
                Reason::FailedPrecondition,
                "The platform has no secret to check this provider's webhooks by.",
            ),
            WebhookRefused::Malformed(why) => {
                return Self::new(
                    Reason::MalformedBody,
                    format!("The body is no event of the provider's: {why}."),
                );
            }
        };
        Self::new(reason, message)
    }
}
