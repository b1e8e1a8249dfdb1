//! Tells the merchant of each operation, at least once, signed, until it is taken.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moviebooking_store::{Row, StoreError, Tx, sql};
use tokio_util::sync::CancellationToken;

use crate::{Bank, SIGNATURE_HEADER, ledger::Entry, wire::Event};

/// How long the merchant may take to take one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long who sends one may keep others from doing so.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often an idle bank looks for those whose pause is over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many are sent at once.
const BATCH: i64 = 16;
/// After so many failures it is given up: pauses double up to five minutes, so this is two hours.
const MOST_ATTEMPTS: i64 = 30;
/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 300;

pub(crate) const INSERT_EVENT: &str = "INSERT INTO bank_events (id, body, due_at, copies, attempts)";

/// The id of the event that an operation makes.
pub(crate) fn event_id(entry: &Entry) -> String {
    format!("evt:{}", entry.operation.key(entry.payment))
}

impl Bank {
    /// Writes the event of an operation down, to be sent after the transaction; nothing without a webhook URL.
    pub(crate) async fn tell(&self, tx: &mut Tx, entry: &Entry, copies: i64) -> Result<(), StoreError> {
        let Some((id, body)) = self.event(entry) else { return Ok(()) };
        let mut insert = sql(INSERT_EVENT);
        insert.push(" VALUES ($1, $2, $3, $4, 0)");
        let insert = insert.bind(id).bind(body).bind(entry.now).bind(copies);
        insert.execute(tx).await.map(drop)
    }

    /// The id and the body of an operation's event; nothing without a webhook URL.
    pub(crate) fn event(&self, entry: &Entry) -> Option<(String, String)> {
        self.settings.webhook_url.as_ref()?;
        let kind = match (entry.operation.name(), entry.decline_code) {
            (_, Some(_)) => "payment.declined",
            ("authorise", None) => "payment.authorised",
            ("capture", None) => "payment.captured",
            ("void", None) => "payment.voided",
            _ => "payment.refunded",
        };
        let event = Event {
            id: event_id(entry),
            kind: kind.to_owned(),
            payment_id: entry.payment,
            amount: entry.amount.clone(),
            code: entry.decline_code.map(str::to_owned),
            time: entry.now,
        };
        // Strings and numbers alone: it can always be written.
        let body = serde_json::to_string(&event).unwrap_or_default();
        Some((event.id, body))
    }

    /// Sends webhooks until told to stop. Any number of processes may do it at once.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let Some(url) = &self.settings.webhook_url else { return shutdown.cancelled().await };
        let client = match reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build() {
            Ok(client) => client,
            Err(error) => return tracing::error!(%error, "webhooks cannot be sent"),
        };
        while !shutdown.is_cancelled() {
            match self.send_due(&client, url).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(error = error.chain(), "webhooks cannot be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.events.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Sends one event before anything else happens, if the merchant takes it in time.
    pub(crate) async fn send_now(&self, id: &str) -> Result<(), StoreError> {
        let event =
            sql("SELECT id, body, copies, attempts FROM bank_events WHERE id = $1 AND due_at IS NOT NULL");
        let Some(row) = event.bind(id).fetch_optional(&self.db).await? else { return Ok(()) };
        let Some(url) = &self.settings.webhook_url else { return Ok(()) };
        self.send(&reqwest::Client::new(), url, &row).await
    }

    async fn send_due(&self, client: &reqwest::Client, url: &str) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let due = sql("SELECT id FROM bank_events WHERE due_at <= $1 ORDER BY due_at LIMIT $2");
        let due = due.bind(now).bind(BATCH).fetch_all(&self.db).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let ids = due.iter().map(|row| row.get("id")).collect::<Result<Vec<String>, _>>()?;
        let mut claim =
            sql("UPDATE bank_events SET due_at = $1 WHERE due_at <= $2").bind(later(now, LEASE)).bind(now);
        claim.push(" AND id IN ").push_list(ids).push(" RETURNING id, body, copies, attempts");
        let claimed = claim.fetch_all(&self.db).await?;
        for row in &claimed {
            self.send(client, url, row).await?;
        }
        Ok(claimed.len())
    }

    async fn send(&self, client: &reqwest::Client, url: &str, row: &Row) -> Result<(), StoreError> {
        let id: String = row.get("id")?;
        let (copies, attempts): (i64, i64) = (row.get("copies")?, row.get("attempts")?);
        let body: String = row.get("body")?;
        let taken = self.post(client, url, body).await;
        let now = self.clock.now();
        let (copies, attempts, due_at) = match taken {
            Ok(()) if copies <= 1 => (0, attempts, None),
            Ok(()) => (copies - 1, attempts, Some(now)),
            Err(why) if attempts >= MOST_ATTEMPTS => {
                tracing::error!(id, why, "a webhook is given up");
                (copies, attempts, None)
            }
            Err(why) => {
                tracing::warn!(id, attempts, why, "a webhook is not taken");
                let pause = (1_i64 << attempts.clamp(0, 10)).min(LONGEST_PAUSE);
                (copies, attempts + 1, Some(later(now, SignedDuration::from_secs(pause))))
            }
        };
        sql("UPDATE bank_events SET copies = $2, attempts = $3, due_at = $4 WHERE id = $1")
            .bind(id)
            .bind(copies)
            .bind(attempts)
            .bind(due_at)
            .execute(&self.db)
            .await
            .map(drop)
    }

    async fn post(&self, client: &reqwest::Client, url: &str, body: String) -> Result<(), String> {
        let signature = self.settings.secret.sign(&body, self.clock.now());
        let request = client
            .post(url)
            .timeout(PATIENCE)
            .header(SIGNATURE_HEADER, signature)
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("answered with {}", answer.status())) }
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
