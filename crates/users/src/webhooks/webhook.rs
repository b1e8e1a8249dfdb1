//! What a webhook is, and what admins do with them.

use jiff::{SignedDuration, Timestamp};
use moviebooking_fields::{self as fields, Mask, Page};
use moviebooking_proto::{Problem, Reason, event::types, users::v1 as wire};
use moviebooking_store::idempotency::Request;
use secrecy::SecretString;
use uuid::Uuid;

use super::{Webhooks, delivery::Delivery, secret, store};
use crate::error::Error;

/// More would make every event dear.
pub(super) const MOST_WEBHOOKS: i64 = 100;
/// How long an old secret signs beside the new one.
const OLD_SECRET: SignedDuration = SignedDuration::from_hours(24);
const MOST_PATTERNS: usize = 50;
const LONGEST_URL: usize = 2_000;
const LONGEST_DESCRIPTION: usize = 200;
const LONGEST_ETAG: usize = 20;

/// Why a webhook is sent nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disabled {
    Stopped,
    Failing,
    Gone,
    QueueFull,
}

impl Disabled {
    pub(super) const ALL: [Self; 4] = [Self::Stopped, Self::Failing, Self::Gone, Self::QueueFull];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Failing => "FAILING",
            Self::Gone => "GONE",
            Self::QueueFull => "QUEUE_FULL",
        }
    }
}

/// Where events go.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) id: Uuid,
    pub(super) url: String,
    /// Types of events, with `*` at the end for all that begin so.
    pub(super) event_types: Vec<String>,
    pub(super) description: String,
    pub(super) disabled: Option<Disabled>,
    pub(super) secret: SecretString,
    /// What is signed with as well, until then.
    pub(super) old_secret: Option<(SecretString, Timestamp)>,
    pub(super) last_success_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) version: i64,
}

impl Webhook {
    /// Whether it asks for events of this type.
    pub(super) fn wants(&self, event_type: &str) -> bool {
        self.event_types.iter().any(|pattern| matches(pattern, event_type))
    }

    /// Takes what of a request is in the mask.
    fn change(&mut self, wanted: &wire::Webhook, mask: &Mask, allow_local: bool) -> Result<(), Problem> {
        if mask.has("url") {
            self.url = url("webhook.url", &wanted.url, allow_local)?;
        }
        if mask.has("event_types") {
            self.event_types = patterns("webhook.event_types", &wanted.event_types)?;
        }
        if mask.has("description") {
            let field = "webhook.description";
            self.description = fields::text(field, &wanted.description, 0, LONGEST_DESCRIPTION)?;
        }
        if mask.has("enabled") {
            // One that the platform has stopped is not stopped anew.
            let stopped = self.disabled.or(Some(Disabled::Stopped));
            self.disabled = if wanted.enabled { None } else { stopped };
        }
        Ok(())
    }
}

fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => event_type.starts_with(beginning),
        None => event_type == pattern,
    }
}

fn url(field: &str, value: &str, allow_local: bool) -> Result<String, Problem> {
    let value = fields::text(field, value, 1, LONGEST_URL)?;
    super::reach::parse(&value, allow_local).map_err(|fix| Problem::invalid(field, fix))?;
    Ok(value)
}

/// Patterns that each stand for a type of event that there is.
fn patterns(field: &str, values: &[String]) -> Result<Vec<String>, Problem> {
    if values.is_empty() {
        return Err(Problem::invalid(field, "name types of events; `*` stands for all"));
    }
    fields::at_most(field, values, MOST_PATTERNS)?;
    let mut found: Vec<String> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        if !types().keys().any(|name| matches(value, name)) {
            let fix = "use a type of event that there is, or the beginning of one and `*`: `moviebooking.tickets.*`";
            return Err(Problem::invalid(format!("{field}[{index}]"), fix));
        }
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    Ok(found)
}

impl Webhooks {
    pub(super) async fn list(
        &self,
        page: &Page,
        after: Option<Uuid>,
    ) -> Result<(Vec<Webhook>, String), Error> {
        let mut found = store::list(&self.db, after, page.limit()).await?;
        let next = page.cut(&mut found, |webhook| vec![webhook.id.to_string()]);
        Ok((found, next))
    }

    pub(super) async fn get(&self, id: Uuid) -> Result<Webhook, Error> {
        store::find(&self.db, id).await?.ok_or(Error::WebhookNotFound)
    }

    /// Makes a webhook. A repetition of the request gets it with the secret that it has then.
    pub(super) async fn create(&self, wanted: &wire::Webhook, key: &Request) -> Result<Webhook, Error> {
        let now = self.clock.now();
        let mut webhook = Webhook {
            id: moviebooking_domain::id::version_7(now),
            url: String::new(),
            event_types: Vec::new(),
            description: String::new(),
            disabled: None,
            secret: secret::random(),
            old_secret: None,
            last_success_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let all = Mask::parse(None, &["url", "event_types", "description"])?;
        webhook.change(wanted, &all, self.sender.allows_local())?;
        let mut tx = self.db.begin().await?;
        if let Some(id) = key.begin::<String>(&mut tx, now).await? {
            drop(tx);
            return self.get(fields::id("id", &id)?).await;
        }
        tx.lock("webhooks", "").await?;
        if store::count(&mut tx).await? >= MOST_WEBHOOKS {
            return Err(Error::TooManyWebhooks);
        }
        store::insert(&mut tx, &webhook).await?;
        key.finish(&mut tx, &webhook.id.to_string()).await?;
        tx.commit().await?;
        Ok(webhook)
    }

    pub(super) async fn update(
        &self,
        id: Uuid,
        wanted: &wire::Webhook,
        mask: &Mask,
        key: &Request,
    ) -> Result<Webhook, Error> {
        let etag = fields::text("webhook.etag", &wanted.etag, 0, LONGEST_ETAG)?;
        let allow_local = self.sender.allows_local();
        self.change(id, key, |webhook| {
            fields::etag(&etag, webhook.version)?;
            webhook.change(wanted, mask, allow_local)
        })
        .await
    }

    /// Gives a webhook a new secret; the old one signs on for a day.
    pub(super) async fn rotate_secret(&self, id: Uuid, key: &Request) -> Result<Webhook, Error> {
        let until = self.clock.now().saturating_add(OLD_SECRET).unwrap_or(Timestamp::MAX);
        self.change(id, key, |webhook| {
            let old = std::mem::replace(&mut webhook.secret, secret::random());
            webhook.old_secret = Some((old, until));
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        id: Uuid,
        key: &Request,
        change: impl FnOnce(&mut Webhook) -> Result<(), Problem>,
    ) -> Result<Webhook, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if key.begin::<String>(&mut tx, now).await?.is_some() {
            drop(tx);
            return self.get(id).await;
        }
        tx.lock("webhook", id).await?;
        let mut webhook = store::find(&mut tx, id).await?.ok_or(Error::WebhookNotFound)?;
        let was_enabled = webhook.disabled.is_none();
        change(&mut webhook)?;
        webhook.updated_at = now;
        webhook.version += 1;
        store::update(&mut tx, &webhook).await?;
        // Also when it is enabled again: an event may have been taken for it while it was being stopped.
        if was_enabled != webhook.disabled.is_none() {
            store::give_up_all(&mut tx, id, "the webhook was stopped", now).await?;
        }
        key.finish(&mut tx, &id.to_string()).await?;
        tx.commit().await?;
        Ok(webhook)
    }

    pub(super) async fn delete(&self, id: Uuid, key: &Request) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        if key.begin::<()>(&mut tx, self.clock.now()).await?.is_some() {
            return Ok(());
        }
        tx.lock("webhook", id).await?;
        if !store::delete(&mut tx, id).await? {
            return Err(Error::WebhookNotFound);
        }
        key.finish(&mut tx, &()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What was sent to a webhook, newest first.
    pub(super) async fn deliveries(
        &self,
        id: Uuid,
        state: Option<super::delivery::State>,
        page: &Page,
        before: Option<Uuid>,
    ) -> Result<(Vec<Delivery>, String), Error> {
        let mut found = store::deliveries(&self.db, id, state, before, page.limit()).await?;
        if found.is_empty() {
            self.get(id).await?;
        }
        let next = page.cut(&mut found, |delivery| vec![delivery.id.to_string()]);
        Ok((found, next))
    }

    /// Sends an event once more.
    pub(super) async fn replay(&self, id: Uuid, delivery: Uuid, key: &Request) -> Result<Delivery, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let replayed = match key.begin::<String>(&mut tx, now).await? {
            Some(_) => store::delivery(&mut tx, id, delivery).await?,
            None => {
                tx.lock("webhook", id).await?;
                let webhook = store::find(&mut tx, id).await?.ok_or(Error::WebhookNotFound)?;
                if webhook.disabled.is_some() {
                    let text = "The webhook is stopped: enable it first.";
                    return Err(Problem::new(Reason::FailedPrecondition, text).into());
                }
                let replayed = store::replay(&mut tx, id, delivery, now).await?;
                key.finish(&mut tx, &delivery.to_string()).await?;
                replayed
            }
        };
        let replayed = replayed.ok_or(Error::WebhookDeliveryNotFound)?;
        tx.commit().await?;
        self.taken.notify_one();
        Ok(replayed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_end() {
        assert!(matches("*", "moviebooking.tickets.ticket.issued"));
        assert!(matches("moviebooking.tickets.*", "moviebooking.tickets.ticket.issued"));
        assert!(!matches("moviebooking.tickets.*", "moviebooking.payments.payment.refunded"));
        assert!(matches("moviebooking.tickets.ticket.issued", "moviebooking.tickets.ticket.issued"));
        assert!(!matches("moviebooking.tickets.ticket", "moviebooking.tickets.ticket.issued"));
    }

    #[test]
    fn only_types_that_there_are_can_be_asked_for() {
        let of = |values: &[&str]| {
            patterns("event_types", &values.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(&["*", "*"]).unwrap(), ["*"]);
        for bad in
            [&[][..], &[""], &["tickets"], &["moviebooking.*.issued"], &["moviebooking.tickets.ticket.lost"]]
        {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
