//! One event on its way to one webhook.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use uuid::Uuid;

/// The pauses between one try and the next: three days in all, as Standard Webhooks propose.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
];

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Delivered,
    Failed,
}

impl State {
    pub(super) const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// One event on its way to one webhook.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) id: Uuid,
    pub(super) webhook: Uuid,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) payload: String,
    pub(super) state: State,
    /// How often it was sent.
    pub(super) attempts: i32,
    pub(super) due_at: Option<Timestamp>,
    pub(super) lease: Option<Uuid>,
    /// 0 where there was no answer.
    pub(super) response_status: i32,
    pub(super) error: String,
    pub(super) duration_millis: i32,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// What sending came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The HTTP status; 0 where there was no answer.
    pub(super) status: i32,
    /// What went wrong; empty where nothing did.
    pub(super) error: String,
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the receiver wants nothing any more (410).
    pub(super) fn is_gone(&self) -> bool {
        self.status == 410
    }
}

impl Delivery {
    /// The delivery after it was sent once more.
    pub(super) fn after(&self, outcome: &Outcome, now: Timestamp) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let pause = usize::try_from(attempts - 1).ok().and_then(|sent| PAUSES.get(sent));
        let (state, due_at) = match pause {
            _ if outcome.is_success() => (State::Delivered, None),
            Some(pause) if !outcome.is_gone() => (State::Pending, Some(later(now, *pause))),
            _ => (State::Failed, None),
        };
        Self {
            state,
            attempts,
            due_at,
            response_status: outcome.status,
            error: outcome.error.clone(),
            duration_millis: i32::try_from(outcome.took.as_millis()).unwrap_or(i32::MAX),
            updated_at: now,
            ..self.clone()
        }
    }
}

/// After the pause, and up to a tenth of it more, so that what failed together is not tried together.
fn later(now: Timestamp, pause: Duration) -> Timestamp {
    let pause = pause.mul_f64(rand::rng().random_range(1.0..1.1));
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
