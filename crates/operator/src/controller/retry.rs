//! When a look at a resource that failed is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

/// The longest pause before the second attempt; it doubles with each.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause of all.
const LONGEST: Duration = Duration::from_secs(300);

/// How often each resource was tried in vain, by what it is.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Subject, Attempt>>);

/// A kind, a namespace and a name.
pub(super) type Subject = (&'static str, Option<String>, Option<String>);

/// The last attempt in vain.
#[derive(Debug)]
struct Attempt {
    /// How many there were before it.
    number: u32,
    /// When the next one is due.
    next: Timestamp,
}

impl Attempts {
    /// How long to wait after an attempt in vain: a random part of a time that doubles, so that resources that failed
    /// together are not tried together. An attempt before its time, because something has changed, makes none of the next
    /// ones later.
    pub(super) fn failed(&self, subject: Subject, now: Timestamp) -> Duration {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match attempts.get(&subject) {
            None => 0,
            Some(last) if now < last.next => return last.next.duration_since(now).unsigned_abs(),
            Some(last) => last.number.saturating_add(1),
        };
        let wait = pause(number).mul_f64(rand::random_range(0.5..=1.0));
        let next = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        attempts.insert(subject, Attempt { number, next });
        wait
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
        let mut now = Timestamp::UNIX_EPOCH;
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let pause = attempts.failed(subject.clone(), now);
            let seconds = pause.as_secs_f64();
            assert!((f64::from(expected) / 2.0..=f64::from(expected)).contains(&seconds), "{pause:?}");
            let early = attempts.failed(subject.clone(), now + pause / 2);
            assert!((pause / 2..pause).contains(&early), "{early:?} of {pause:?}");
            now += pause;
        }
        attempts.succeeded(&subject);
        assert!(attempts.failed(subject, now) <= FIRST);
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}
