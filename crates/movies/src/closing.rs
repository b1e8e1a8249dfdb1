//! Work without a request: completes cancellations and forgets old idempotency keys.

use std::time::Duration;

use moviebooking_store::{StoreError, idempotency};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{Service, store::showtimes};

const EVERY: Duration = Duration::from_secs(5);
/// Showtimes told to the others in one turn.
const MOST_CLOSED: i64 = 100;

impl Service {
    /// Tells reservations and payments of cancelled showtimes that they do not know of yet, and deletes old idempotency keys, again
    /// and again until shutdown. Several processes may do it at once.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let complete = async {
            loop {
                turns.tick().await;
                if let Err(error) = self.complete_cancellations().await {
                    tracing::warn!(error = error.chain(), "cancelled showtimes cannot be read");
                }
            }
        };
        // Whatever is dropped half done is done again: closing is idempotent.
        let work = async { tokio::join!(complete, idempotency::keep_purged(&self.db, &*self.clock)) };
        shutdown.run_until_cancelled(work).await;
    }

    async fn complete_cancellations(&self) -> Result<(), StoreError> {
        for (id, theater) in showtimes::unclosed(&self.db, MOST_CLOSED).await? {
            match self.neighbours.close_showtime(id, theater).await {
                Ok(()) => showtimes::acknowledge_close(&self.db, id).await?,
                Err(status) => {
                    let code = status.code();
                    tracing::warn!(showtime = %id, ?code, "not everybody knows of a cancelled showtime yet");
                    // The others would fare no better, each after its deadline.
                    if matches!(code, Code::Unavailable | Code::DeadlineExceeded) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
