//! How many calls of a link may be made again, so that a service in trouble is not sent more than it can bear.
//!
//! gRPC's retry throttling (gRFC A6, "Throttling Retry Attempts and Hedged RPCs"): a bucket that is full at first. A
//! call that gets no answer takes a token out, one that is answered puts a tenth back, and calls are made again only
//! while more than half of the tokens are there. So a connection that is lost now and then is made up for, and where
//! every call fails there are hardly more than were asked for.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The bucket in thousandths of a token: gRPC's own defaults of 10 tokens and a tenth for an answer.
const FULL: u32 = 10_000;
const COST: u32 = 1_000;
const REWARD: u32 = 100;

/// A call is made at most so often.
pub(super) const MOST_ATTEMPTS: u32 = 4;
/// The longest pause before the second attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The tokens of one link and all of its clones.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn full() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        // Full is the rule, and a look at it costs nothing.
        if self.0.load(Ordering::Relaxed) < FULL {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| {
                Some(tokens.saturating_add(REWARD).min(FULL))
            });
        }
    }

    /// A call got no answer; whether one may be made again.
    pub(super) fn failed(&self) -> bool {
        let spend = |tokens: u32| Some(tokens.saturating_sub(COST));
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(tokens) | Err(tokens) => tokens.saturating_sub(COST) > FULL / 2,
        }
    }
}

/// How long to wait before the attempt after `attempts`: random, so that those who failed together do not come back
/// together.
pub(super) fn pause(attempts: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(8));
    longest.mul_f64(rand::random_range(0.1..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_bucket_can_be_spent_and_answers_fill_it_again() {
        let budget = Budget::full();
        let allowed = (0..100).filter(|_| budget.failed()).count();
        assert_eq!(allowed, 4);
        for _ in 0..60 {
            budget.answered();
        }
        assert!(!budget.failed(), "six tokens less one are no more than half");
        for _ in 0..1_000 {
            budget.answered();
        }
        assert_eq!((0..100).filter(|_| budget.failed()).count(), 4);
    }

    #[test]
    fn pauses_grow_and_differ() {
        let pauses: Vec<Duration> = (0..50).map(|_| pause(1)).collect();
        assert!(pauses.iter().all(|pause| *pause <= FIRST_PAUSE && !pause.is_zero()));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert!((0..50).any(|_| pause(3) > FIRST_PAUSE));
    }
}
