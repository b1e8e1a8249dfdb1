//! What buyers were answered: every final answer to every request, under its idempotency key.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{ask::Request, kinds::Kind};

/// A final answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Whether the request was carried out.
    pub(crate) ok: bool,
    /// Why not.
    pub(crate) reason: String,
    /// Of the reservation or the payment.
    pub(crate) id: String,
    pub(crate) state: String,
    /// What is to pay, in minor units of the currency.
    pub(crate) total: (i64, String),
    pub(crate) tickets: Vec<String>,
    /// All of the answer, byte for byte.
    pub(crate) whole: Vec<u8>,
}

impl Reply {
    /// Whether repeating the request must give the same answer: it was carried out, or refused by a decision that is kept.
    /// Other refusals had no effect, and may be none the next time.
    pub(crate) fn is_kept(&self) -> bool {
        self.ok || matches!(self.reason.as_str(), "PAYMENT_DECLINED" | "PAYMENT_VOIDED")
    }
}

/// A request with all of its final answers.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) request: Request,
    pub(crate) replies: Vec<Reply>,
    /// How often no final answer came.
    pub(crate) lost: u32,
    /// Whether none came in the end when it was asked for the last time.
    pub(crate) given_up: bool,
}

/// The notes of all buyers.
#[derive(Default)]
pub(crate) struct Answers {
    notes: Mutex<BTreeMap<String, Noted>>,
    reasons: Mutex<BTreeMap<(Kind, String), u64>>,
}

impl Answers {
    /// Notes a final answer.
    pub(crate) fn note(&self, request: &Request, reply: Reply) {
        self.with(request, |noted| noted.replies.push(reply));
    }

    /// Notes that no final answer came, and what came instead.
    pub(crate) fn note_lost(&self, request: &Request, instead: &str) {
        self.with(request, |noted| noted.lost += 1);
        *locked(&self.reasons).entry((request.kind, instead.to_owned())).or_default() += 1;
    }

    /// Notes that the request is not repeated any more, without an answer.
    pub(crate) fn note_given_up(&self, request: &Request) {
        self.with(request, |noted| noted.given_up = true);
    }

    /// All notes.
    pub(crate) fn all(&self) -> Vec<Noted> {
        locked(&self.notes).values().cloned().collect()
    }

    /// How often what came instead of a final answer.
    pub(crate) fn instead(&self) -> BTreeMap<(Kind, String), u64> {
        locked(&self.reasons).clone()
    }

    fn with(&self, request: &Request, change: impl FnOnce(&mut Noted)) {
        let mut notes = locked(&self.notes);
        change(notes.entry(request.key.clone()).or_insert_with(|| Noted {
            request: request.clone(),
            replies: Vec::new(),
            lost: 0,
            given_up: false,
        }));
    }
}

/// A lock that nobody panics under.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
