//! A cancelled showtime, whole: every payment for it is refunded.
//!
//! ```text
//! REFUNDING ──request the refunds──▶ DONE
//! ```
//!
//! The one step is repeated until nothing is left to do. It asks for a refund of every ticket that no refund takes back
//! yet, once for each payment, whose key that is; the refunds are then made like any others (`refund.rs`). Reservations
//! have closed the showtime before, so no checkout that begins later can be completed; those that are under way are waited
//! for, as are refunds and exchanges that may give their tickets back.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::Caller;
use moviebooking_domain::{
    clock::SharedClock,
    id::{PaymentId, ShowtimeId, TheaterId, UserId},
    money::Money,
};
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{Row, StoreError};
use uuid::Uuid;

use crate::{
    Service,
    kind::Kind,
    named::named,
    payment::Key,
    provider::Provider,
    refund::{NewRefund, RefundRefused, Sum, Terms},
    runner::{Halt, Item, Saga},
    step::{StepError, carry_out},
    store::{Lease, Store},
};

/// After how long the refunds that are under way are counted again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// How many refunds one step asks for.
const MOST_AT_ONCE: i64 = 100;

/// A showtime that was cancelled.
#[derive(Clone, Debug)]
pub(crate) struct CancelledShowtime {
    pub(crate) id: ShowtimeId,
    pub(crate) theater_id: TheaterId,
    pub(crate) state: State,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Who works on it.
    pub(crate) lease: Lease,
}

named! {
    /// How far its refunds are.
    enum State {
        /// Refunds are to be asked for, or to be waited for.
        Refunding = "REFUNDING",
        /// All is paid back.
        Done = "DONE",
    }
}

/// What a step asks of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Payments itself: a refund of each payment that has tickets.
    RequestRefunds,
}

/// One step; it is never refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) done: State,
}

impl State {
    /// What is to be done next; nothing when all is paid back.
    pub(crate) const fn step(self) -> Option<Step> {
        match self {
            Self::Refunding => Some(Step { action: Action::RequestRefunds, done: Self::Done }),
            Self::Done => None,
        }
    }
}

/// How far the refunds of a showtime are.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) showtime: CancelledShowtime,
    /// Payments that bought tickets.
    pub(crate) payments: u32,
    /// Of these, the ones with tickets that no refund takes back, or with a refund that has not ended.
    pub(crate) waiting: u32,
    /// Checkouts, refunds and exchanges that have not ended.
    pub(crate) under_way: u32,
    /// None where nothing was bought.
    pub(crate) refunded: Option<Money>,
}

/// The parties of the refunds of cancelled showtimes.
pub(crate) struct Cancellation {
    pub(crate) store: Store,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) clock: SharedClock,
}

impl Cancellation {
    /// Asks for the refunds of payments that have tickets left. Answers what is still to be waited for; nothing when all
    /// is paid back.
    pub(crate) async fn perform(
        &self,
        _: Action,
        showtime: &CancelledShowtime,
    ) -> Result<Option<String>, StepError> {
        self.request_all(showtime).await.map_err(|error| StepError::Later(error.chain()))
    }

    async fn request_all(&self, showtime: &CancelledShowtime) -> Result<Option<String>, StoreError> {
        for payment in self.store.payments_to_refund(showtime.id, MOST_AT_ONCE).await? {
            match self.request(payment).await {
                // One that is waited for, and one that somebody else was faster to refund.
                Ok(()) | Err(RefundRefused::UnderWay | RefundRefused::NothingLeft) => {}
                Err(RefundRefused::Store(error)) => return Err(error),
                Err(refused) => {
                    tracing::error!(%payment, error = %refused, "a payment for a cancelled showtime is not refunded");
                }
            }
        }
        let Progress { waiting, under_way, .. } = self.store.progress(showtime.clone()).await?;
        let left = format!("{waiting} payments are not refunded yet, {under_way} are being worked on");
        Ok((waiting > 0 || under_way > 0).then_some(left))
    }

    async fn request(&self, payment_id: PaymentId) -> Result<(), RefundRefused> {
        let now = self.clock.now();
        let new = NewRefund {
            payment_id,
            sum: Sum::Everything,
            terms: Terms::Cancelled,
            reason: "the showtime was cancelled".to_owned(),
            requested_by: UserId::from(Uuid::nil()),
            key: Key { request_id: payment_id.to_string(), fingerprint: Vec::new() },
        };
        self.store.request_refund(&new, &*self.provider, Lease::free(now), now).await.map(drop)
    }
}

impl Saga for Cancellation {
    const KIND: Kind = Kind::Cancellation;

    type Item = CancelledShowtime;

    fn read(row: &Row) -> Result<CancelledShowtime, StoreError> {
        CancelledShowtime::read(row)
    }

    async fn load(&self, id: Uuid) -> Result<CancelledShowtime, StoreError> {
        self.store.cancelled(ShowtimeId::from(id)).await?.ok_or(StoreError::NoRow)
    }

    async fn step(&self, showtime: &CancelledShowtime) -> Result<CancelledShowtime, Halt> {
        let Some(step) = showtime.state.step() else { return Ok(showtime.clone()) };
        let effect = || self.perform(step.action, showtime);
        match carry_out(Self::KIND, showtime.id.uuid(), showtime.state.name(), effect).await {
            Ok(None) => {}
            Ok(Some(left)) => {
                tracing::debug!(showtime = %showtime.id, left, "refunds for a cancelled showtime are waited for");
                return Err(Halt::Waiting(LOOK_AGAIN));
            }
            Err(StepError::Later(why)) => return Err(Halt::Later(why)),
            Err(StepError::Refused(failure)) => return Err(Halt::Later(format!("refused: {failure:?}"))),
        }
        let (updated_at, lease) = (self.clock.now(), Lease::default());
        let after = CancelledShowtime { state: step.done, updated_at, lease, ..showtime.clone() };
        if self.store.finish_cancelled(showtime, &after).await? { Ok(after) } else { Err(Halt::Lost) }
    }
}

impl Item for CancelledShowtime {
    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    /// None: what cannot be refunded is parked by itself.
    fn payment(&self) -> Option<PaymentId> {
        None
    }

    fn since(&self) -> Timestamp {
        self.updated_at
    }

    fn lease(&self) -> Lease {
        self.lease
    }

    fn ended(&self) -> bool {
        self.state.step().is_none()
    }
}

impl Service {
    /// Has the payments for a cancelled showtime refunded. Again for the same one: nothing changes.
    pub(crate) async fn refund_showtime(
        &self,
        id: ShowtimeId,
        theater_id: TheaterId,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (state, lease) = (State::Refunding, Lease::free(now));
        let showtime = CancelledShowtime { id, theater_id, state, created_at: now, updated_at: now, lease };
        self.store.add_cancelled(&showtime).await
    }

    /// How far the refunds for a cancelled showtime are: for those who run its theater.
    pub(crate) async fn showtime_refunds(
        &self,
        caller: &Caller,
        id: ShowtimeId,
    ) -> Result<Progress, Problem> {
        let showtime = self.store.cancelled(id).await?.ok_or_else(|| {
            Problem::new(Reason::ShowtimeNotFound, "No showtime with this id was cancelled.")
                .field("showtime_id", "use the id of a cancelled showtime")
        })?;
        caller.must_run(showtime.theater_id)?;
        Ok(self.store.progress(showtime).await?)
    }
}
