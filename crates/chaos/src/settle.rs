//! Waits until nothing is left to be done, as the databases say.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use moviebooking_audit::Databases;
use moviebooking_launch::PrivatePostgres;
use moviebooking_store::{Db, PoolOptions, StoreError, sql};
use tokio::time::sleep;

/// How long everything may take to settle after the last disturbance.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

const OPTIONS: PoolOptions = PoolOptions { application_name: "audit", max_connections: Some(2) };

/// Where the platform's databases are.
pub(crate) struct DatabaseUrls {
    reservations: String,
    payments: String,
    tickets: String,
    bank: String,
}

impl DatabaseUrls {
    pub(crate) fn of(server: &PrivatePostgres) -> Self {
        let [reservations, payments, tickets, bank] =
            ["reservations", "payments", "tickets", "bank"].map(|name| server.database_url(name));
        Self { reservations, payments, tickets, bank }
    }

    pub(crate) async fn open(&self) -> anyhow::Result<Databases> {
        let open = async |url: &str| -> anyhow::Result<Db> {
            Db::connect(&url.parse()?, &OPTIONS)
                .await
                .with_context(|| format!("cannot read the database {url}"))
        };
        Ok(Databases {
            reservations: open(&self.reservations).await?,
            payments: open(&self.payments).await?,
            tickets: open(&self.tickets).await?,
            bank: open(&self.bank).await?,
        })
    }
}

/// How long it took since `calm` until no payment and no refund had anything left to do; `None` when it took too long.
pub(crate) async fn settled(of: &Databases, calm: Instant) -> Result<Option<Duration>, StoreError> {
    loop {
        if unfinished(of).await? == 0 {
            return Ok(Some(calm.elapsed()));
        }
        if calm.elapsed() > BOUND {
            return Ok(None);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn unfinished(of: &Databases) -> Result<i64, StoreError> {
    let row = sql("SELECT (SELECT COUNT(*) FROM payments WHERE due_at IS NOT NULL) \
                   + (SELECT COUNT(*) FROM refunds WHERE due_at IS NOT NULL) AS unfinished")
    .fetch_one(&of.payments)
    .await?;
    row.get("unfinished")
}
