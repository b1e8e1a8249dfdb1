//! Waits until nothing is left to be done, as the databases say.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use moviebooking_audit::Databases;
use moviebooking_launch::PrivatePostgres;
use moviebooking_store::{Db, PoolOptions, StoreError, sql};
use tokio::time::sleep;

const OPTIONS: PoolOptions = PoolOptions { application_name: "audit", max_connections: Some(2) };

/// Where the platform's databases are.
pub(crate) struct DatabaseUrls {
    movies: String,
    reservations: String,
    payments: String,
    tickets: String,
    bank: String,
}

impl DatabaseUrls {
    pub(crate) fn of(server: &PrivatePostgres) -> Self {
        let [movies, reservations, payments, tickets, bank] =
            ["movies", "reservations", "payments", "tickets", "bank"].map(|name| server.database_url(name));
        Self { movies, reservations, payments, tickets, bank }
    }

    /// The databases that are audited, and that of movies.
    pub(crate) async fn open(&self) -> anyhow::Result<(Databases, Db)> {
        let open = async |url: &str| -> anyhow::Result<Db> {
            Db::connect(&url.parse()?, &OPTIONS)
                .await
                .with_context(|| format!("cannot read the database {url}"))
        };
        let audited = Databases {
            reservations: open(&self.reservations).await?,
            payments: open(&self.payments).await?,
            tickets: open(&self.tickets).await?,
            bank: open(&self.bank).await?,
        };
        Ok((audited, open(&self.movies).await?))
    }
}

/// How long it took since `calm` until no payment, refund or cancelled showtime had anything left to do; `None` when it took longer than
/// `bound`.
pub(crate) async fn settled(
    of: &(Databases, Db),
    calm: Instant,
    bound: Duration,
) -> Result<Option<Duration>, StoreError> {
    loop {
        if unfinished(of).await? == 0 {
            return Ok(Some(calm.elapsed()));
        }
        if calm.elapsed() > bound {
            return Ok(None);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// How much there is to do: steps to take, and events to publish.
async fn unfinished((of, movies): &(Databases, Db)) -> Result<i64, StoreError> {
    let steps = sql("SELECT (SELECT COUNT(*) FROM payments WHERE due_at IS NOT NULL) \
                     + (SELECT COUNT(*) FROM refunds WHERE due_at IS NOT NULL) \
                     + (SELECT COUNT(*) FROM cancelled_showtimes WHERE due_at IS NOT NULL) \
                     + (SELECT COUNT(*) FROM unpublished_events) + (SELECT COUNT(*) FROM outbox) AS unfinished");
    let cancelled = sql(
        "SELECT COUNT(*) AS unfinished FROM showtimes WHERE cancelled_at IS NOT NULL AND NOT close_acknowledged",
    );
    let changes = sql("SELECT COUNT(*) AS unfinished FROM unpublished_changes");
    let tickets = sql("SELECT COUNT(*) AS unfinished FROM outbox");
    let mut unfinished = 0;
    for (query, db) in
        [(steps, &of.payments), (cancelled, movies), (changes, &of.reservations), (tickets, &of.tickets)]
    {
        unfinished += query.fetch_one(db).await?.get::<i64>("unfinished")?;
    }
    Ok(unfinished)
}
