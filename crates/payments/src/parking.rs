//! When a saga is given up by the platform, and what a person can then do about it.
//!
//! A step that cannot be done is tried again while its request waits, then after 1, 2, 4, … seconds, later every half
//! minute. When that has gone on for [`BOUND`] and for at least [`LEAST_ATTEMPTS`], the saga is parked: nothing is done
//! about it any more until an admin resumes it, or turns it round. No money is forgotten that way: a parked payment is
//! listed, counted and logged.

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::Caller;
use moviebooking_domain::id::PaymentId;
use moviebooking_proto::{Problem, Reason};

use crate::{
    Service, payment::Payment, read::not_found, runner::Item, saga::State, step::Failure, store::Compensated,
};

/// For how long one step is tried.
pub(crate) const BOUND: SignedDuration = SignedDuration::from_hours(6);

/// How often a step is tried at least, so that a platform that was switched off for longer does not give up at once.
const LEAST_ATTEMPTS: i64 = 20;

/// Whether an item whose step could not be done, again, is to be parked.
pub(crate) fn is_over(item: &impl Item, now: Timestamp) -> bool {
    item.lease().attempts >= LEAST_ATTEMPTS && now.duration_since(item.since()) >= BOUND
}

impl Service {
    /// Goes on with what is parked of a payment. It does not matter whether that was done before.
    pub(crate) async fn resume(&self, caller: &Caller, id: PaymentId) -> Result<Payment, Problem> {
        let by = caller.user()?.id;
        self.known(id).await?;
        if self.store.resume(id, by, self.clock.now()).await? {
            tracing::info!(payment = %id, %by, "a parked payment is resumed");
        }
        self.known(id).await
    }

    /// Undoes what a parked checkout did: gives the money back, frees the seats and voids the tickets.
    pub(crate) async fn compensate(&self, caller: &Caller, id: PaymentId) -> Result<Payment, Problem> {
        let by = caller.user()?.id;
        self.known(id).await?;
        let failure = Failure::from(Reason::PaymentParked);
        match self.store.compensate(id, by, &failure, self.clock.now()).await? {
            Compensated::Yes => {
                tracing::info!(payment = %id, %by, "a payment is given back");
                self.known(id).await
            }
            Compensated::No(state) => Err(not_compensable(state)),
        }
    }

    async fn known(&self, id: PaymentId) -> Result<Payment, Problem> {
        self.store.payment(id).await?.ok_or_else(|| not_found("payment_id"))
    }
}

fn not_compensable(state: State) -> Problem {
    let text = if state.step().is_none() {
        "The payment was completed, so there is nothing to compensate: refund it, or resume its parked refund."
    } else {
        "The payment is still being worked on: only a parked one can be compensated."
    };
    Problem::new(Reason::FailedPrecondition, text).meta("state", state.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Lease;

    #[derive(Clone)]
    struct Tried(i64);

    impl Item for Tried {
        fn id(&self) -> uuid::Uuid {
            uuid::Uuid::nil()
        }

        fn payment(&self) -> Option<PaymentId> {
            Some(uuid::Uuid::nil().into())
        }

        fn lease(&self) -> Lease {
            Lease { attempts: self.0, ..Lease::default() }
        }

        fn since(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn ended(&self) -> bool {
            false
        }
    }

    #[test]
    fn it_is_over_when_it_was_tried_often_and_for_long() {
        let late = Timestamp::UNIX_EPOCH.checked_add(BOUND).unwrap();
        let early = late.checked_sub(SignedDuration::from_nanos(1)).unwrap();
        let over = [(20, late), (19, late), (1_000, early)].map(|(tries, now)| is_over(&Tried(tries), now));
        assert_eq!(over, [true, false, false]);
    }
}
