//! When a look at a resource that failed is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The longest pause before the second attempt; it doubles with each.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause of all.
const LONGEST: Duration = Duration::from_secs(300);

/// How often each resource was tried in vain, by what it is.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Subject, u32>>);

/// A kind, a namespace and a name.
pub(super) type Subject = (&'static str, Option<String>, Option<String>);

impl Attempts {
    /// How long to wait after one more attempt in vain: a random part of a time that doubles, so that resources that failed
    /// together are not tried together.
    pub(super) fn failed(&self, subject: Subject) -> Duration {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.entry(subject).or_default();
        let longest = pause(*attempt);
        *attempt = attempt.saturating_add(1);
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// It succeeded, or is gone.
    pub(super) fn succeeded(&self, subject: &Subject) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }
}

fn pause(attempt: u32) -> Duration {
    FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST)
}

/// `about`, give or take a tenth of it.
pub(super) fn some(about: Duration) -> Duration {
    about.mul_f64(rand::random_range(0.9..=1.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_begin_anew_after_a_success() {
        let attempts = Attempts::default();
        let subject: Subject = ("MovieBookingPlatform", None, Some("cinema".to_owned()));
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let pause = attempts.failed(subject.clone()).as_secs_f64();
            assert!((f64::from(expected) / 2.0..=f64::from(expected)).contains(&pause), "{pause}");
        }
        attempts.succeeded(&subject);
        assert!(attempts.failed(subject) <= FIRST);
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}
