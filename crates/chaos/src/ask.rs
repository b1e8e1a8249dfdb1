//! Asks until there is a final answer: what came is repeated with the same idempotency key.

mod grpc;
mod rest;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

pub(crate) use grpc::Grpc;
pub(crate) use rest::Rest;

use crate::{
    answers::{Answers, Reply},
    buyer::Buyer,
    kinds::Kind,
};

/// How long one answer is waited for: longer than the platform lets a request wait.
const PATIENCE: Duration = Duration::from_secs(15);
/// The first and the longest pause before a request is repeated.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often an answer is not waited for, and how long it is waited for then: the reply is lost on its way.
const IMPATIENT: f64 = 0.03;
const MOMENT_MILLIS: std::ops::Range<u64> = 1..80;

/// A place among those who book at the same time. Who has to wait for the platform to recover gives it away.
pub(crate) type Slot = Option<OwnedSemaphorePermit>;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) buyer: Arc<Buyer>,
    pub(crate) over: Over,
    pub(crate) order: Order,
}

/// The protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Rest,
    Grpc,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Seats by their labels, or any that many.
    Hold {
        showtime: String,
        seats: Vec<String>,
        count: i32,
    },
    Charge {
        reservation: String,
        total: (i64, String),
        token: &'static str,
        /// What the buyer does who is asked to confirm it.
        approves: bool,
    },
    Release {
        reservation: String,
    },
    /// All of a payment, or some of its tickets.
    Refund {
        payment: String,
        tickets: Vec<String>,
    },
    /// Some of a payment's tickets for what is held, paying what that costs more.
    Exchange {
        payment: String,
        tickets: Vec<String>,
        reservation: String,
        total: (i64, String),
        token: &'static str,
        approves: bool,
    },
    Cancel {
        showtime: String,
    },
}

impl Order {
    /// What the buyer decides on the bank's page.
    fn decision(&self) -> &'static str {
        match self {
            Self::Charge { approves: false, .. } | Self::Exchange { approves: false, .. } => "decline",
            _ => "approve",
        }
    }
}

/// What came of one try.
pub(crate) enum Tried {
    /// A final answer.
    Final(Reply),
    /// None: the request is to be repeated. The text says what came instead.
    Again(String),
    /// The access token has expired.
    SignInAgain,
    /// The buyer is to confirm it on this page first.
    Confirm(String),
}

/// The platform's door, and the notes of those who come to it.
pub(crate) struct Desk {
    pub(crate) rest: Rest,
    pub(crate) grpc: Grpc,
    pub(crate) answers: Answers,
    began: Instant,
    /// Milliseconds from the beginning until when requests are repeated.
    closes: AtomicU64,
}

impl Desk {
    pub(crate) fn new(rest: Rest, grpc: Grpc) -> Self {
        Self {
            rest,
            grpc,
            answers: Answers::default(),
            began: Instant::now(),
            closes: AtomicU64::new(u64::MAX),
        }
    }

    /// No request is repeated after this time.
    pub(crate) fn close_in(&self, time: Duration) {
        let end = (self.began.elapsed() + time).as_millis();
        self.closes.store(u64::try_from(end).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.began.elapsed().as_millis() > u128::from(self.closes.load(Ordering::Relaxed))
    }

    /// Asks until there is a final answer. When the first try has brought none, the `slot` is given to the next buyer.
    pub(crate) async fn ask(&self, request: &Request, dice: &mut StdRng, slot: &mut Slot) -> Option<Reply> {
        let (mut pause, longest) = PAUSES;
        loop {
            let moment = Duration::from_millis(dice.random_range(MOMENT_MILLIS));
            let patience = if dice.random_bool(IMPATIENT) { moment } else { PATIENCE };
            let instead = match timeout(patience, self.try_once(request)).await {
                Ok(Tried::Final(reply)) => {
                    self.answers.note(request, reply.clone());
                    return Some(reply);
                }
                Ok(Tried::Again(instead)) => instead,
                Ok(Tried::SignInAgain) => {
                    let signed_in = request.buyer.sign_in(&self.rest).await;
                    format!("token expired ({})", if signed_in { "renewed" } else { "not renewed" })
                }
                Ok(Tried::Confirm(page)) => {
                    let decided = self.rest.decide(&page, request.order.decision()).await;
                    format!("to be confirmed ({})", if decided { "done" } else { "not done" })
                }
                Err(_elapsed) => if patience == PATIENCE { "no answer" } else { "not waited for" }.to_owned(),
            };
            self.answers.note_lost(request, &instead);
            *slot = None;
            if self.is_closed() {
                self.answers.note_given_up(request);
                return None;
            }
            sleep(pause.mul_f64(dice.random_range(0.5..1.0))).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn try_once(&self, request: &Request) -> Tried {
        match request.over {
            Over::Rest => self.rest.try_once(request).await,
            Over::Grpc => self.grpc.try_once(request).await,
        }
    }
}

/// Whether a refusal says that the request may be repeated: somebody is still working.
fn is_in_flight(reason: &str) -> bool {
    matches!(reason, "REQUEST_IN_FLIGHT" | "PAYMENT_IN_PROGRESS" | "CONFLICT")
}
