//! Payments, refunds and the checkout saga.
//!
//! A charge checks the reservation, writes the payment down and runs the checkout (the file `saga.rs` is all of it) in a
//! task of its own; a refund does the same with the steps in `refund.rs`. Both keep their state in the database before
//! each step, under a lease; [`Service::run_background`] goes on with what a crash or a failure left, and refunds the
//! payments for cancelled showtimes (`cancellation.rs`). Providers stand
//! behind [`provider::Provider`].

pub mod audit;
mod cancellation;
mod charge;
mod confirmation;
mod events;
mod exchange;
mod grpc;
mod kind;
mod ledger;
mod metrics;
mod named;
mod neighbours;
mod parking;
mod payment;
pub mod provider;
mod read;
pub mod reconcile;
mod refund;
mod runner;
mod saga;
mod step;
mod store;
#[cfg(test)]
mod tests;
mod webhook;

use std::{sync::Arc, time::Duration};

use moviebooking_auth::ServiceLink;
use moviebooking_domain::clock::SharedClock;
use moviebooking_events::{LEASE_MIGRATION, outbox};
use moviebooking_proto::payments::v1::{
    ledger_service_server::LedgerServiceServer, payments_internal_server::PaymentsInternalServer,
    payments_service_server::PaymentsServiceServer,
};
use moviebooking_serve::metrics::keep_fresh;
use moviebooking_store::{Db, Migrations, StoreError, migration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use crate::events::History;
use crate::{
    cancellation::Cancellation,
    neighbours::Neighbours,
    provider::{Provider, Settled},
    refund::Refunding,
    runner::Runner,
    saga::Checkout,
    store::Store,
};

/// The service's name in service tokens and logs.
pub const NAME: &str = "payments";

/// The service's tables.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_payments.sql"),
    migration!(2, "migrations/0002_providers.sql"),
    migration!(3, "migrations/0003_offers.sql"),
    migration!(4, "migrations/0004_returns.sql"),
    migration!(5, "migrations/0005_parked_sagas.sql"),
    migration!(6, "migrations/0006_ledger.sql"),
    migration!(7, "migrations/0007_published_events.sql"),
    migration!(8, "migrations/0008_woken_sagas.sql"),
    migration!(9, "migrations/0009_immutable_ledger.sql"),
    migration!(10, "migrations/0010_event_facts.sql"),
    migration!(11, "migrations/0011_unpublished_events.sql"),
    migration!(12, "migrations/0012_events_published_together.sql"),
    migration!(13, "migrations/0013_room_for_updates.sql"),
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// How often an idle worker looks for work.
const WORKER_PAUSE: Duration = Duration::from_millis(500);

/// How often old webhooks are forgotten.
const FORGETTING_PAUSE: Duration = Duration::from_hours(1);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// One answer of another service; the provider, who asks other companies, has twice as long.
    answer: Duration,
    /// A request, until it is told to ask again.
    request: Duration,
    /// The pause before a step that could not be done is tried once more while its request waits.
    again: Duration,
}

impl Limits {
    const DEFAULT: Self = Self {
        answer: Duration::from_secs(3),
        request: Duration::from_secs(10),
        again: Duration::from_millis(500),
    };
}

/// The payments service; a clone is a handle on the same.
#[derive(Clone)]
pub struct Service {
    store: Store,
    clock: SharedClock,
    neighbours: Neighbours,
    provider: Arc<dyn Provider>,
    checkout: Runner<Checkout>,
    refunds: Runner<Refunding>,
    cancellations: Runner<Cancellation>,
}

impl Service {
    /// A service over `db`, which has [`MIGRATIONS`], that moves money through `provider`.
    pub fn new(
        db: Db,
        clock: SharedClock,
        provider: Arc<dyn Provider>,
        reservations: ServiceLink,
        tickets: ServiceLink,
    ) -> Self {
        Self::within(Limits::DEFAULT, db, clock, provider, reservations, tickets)
    }

    fn within(
        limits: Limits,
        db: Db,
        clock: SharedClock,
        provider: Arc<dyn Provider>,
        reservations: ServiceLink,
        tickets: ServiceLink,
    ) -> Self {
        let store = Store::new(db);
        let neighbours = Neighbours::new(reservations, tickets, limits.answer);
        let settled = Settled::new(Arc::clone(&provider), limits.answer * 2);
        let checkout = Checkout {
            store: store.clone(),
            provider: settled.clone(),
            neighbours: neighbours.clone(),
            clock: Arc::clone(&clock),
        };
        let refunding = Refunding {
            store: store.clone(),
            provider: settled,
            neighbours: neighbours.clone(),
            clock: Arc::clone(&clock),
        };
        let cancellation =
            Cancellation { store: store.clone(), provider: Arc::clone(&provider), clock: Arc::clone(&clock) };
        Self {
            neighbours,
            provider,
            checkout: Runner::new(checkout, &store, Arc::clone(&clock), limits),
            refunds: Runner::new(refunding, &store, Arc::clone(&clock), limits),
            cancellations: Runner::new(cancellation, &store, Arc::clone(&clock), limits),
            store,
            clock,
        }
    }

    /// The gRPC services, without the check of who calls.
    pub fn routes(&self) -> Routes {
        Routes::new(PaymentsServiceServer::new(self.clone()))
            .add_service(PaymentsInternalServer::new(self.clone()))
            .add_service(LedgerServiceServer::new(self.clone()))
    }

    /// Goes on with payments and refunds that nobody works on, until told to stop; then it ends after the steps that it
    /// is doing. Any number of processes may do it at once.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let look = || async {
            let (unfinished, parked) = tokio::try_join!(self.store.unfinished(), self.store.parked())
                .map_err(|error| error.chain())?;
            metrics::show(&unfinished, &parked, self.clock.now());
            Ok::<_, String>(())
        };
        tokio::join!(
            self.work(&shutdown),
            self.forget(&shutdown),
            shutdown.run_until_cancelled(keep_fresh(look))
        );
    }

    /// Forgets what providers told long ago, once an hour.
    async fn forget(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.store.forget_notices(self.clock.now()).await {
                tracing::warn!(error = error.chain(), "old webhooks are not forgotten yet");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(FORGETTING_PAUSE) => {}
            }
        }
    }

    async fn work(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.tick().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = error.chain(), "no payments to go on with can be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(WORKER_PAUSE) => {}
            }
        }
    }

    /// Takes what is due now, and does it. True when there may be more.
    async fn tick(&self) -> Result<bool, StoreError> {
        // First what may ask for refunds, so that these are made in the same turn.
        let showtimes = self.cancellations.tick().await?;
        let (payments, refunds) = tokio::join!(self.checkout.tick(), self.refunds.tick());
        Ok([showtimes, payments?, refunds?].into_iter().any(Runner::<Checkout>::is_full))
    }
}
