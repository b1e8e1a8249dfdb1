//! Every step of every saga with each outcome that the saga's table gives it, and how a checkout gets to each of them.
//! A saga, a state of a checkout or a sort of transition that is new does not compile here, and a transition that
//! nobody gets to does not pass.

use moviebooking_proto::Reason;

use crate::{
    cancellation,
    kind::Kind,
    refund,
    saga::{
        self,
        State::{
            self, ActionRequired, Authorised, Captured, Completed, Confirmed, Created, Declined, Exchanging,
            Freeing, Offering, PartiallyRefunded, Recalling, RecallingExchanged, Refunded, Repaying,
            Returning, SeekingAuthorisation, SeekingCapture, Voided, Voiding, Withdrawing,
        },
    },
};

use Outcome::{Done, Refused, Waiting};

/// What comes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
    /// The buyer must do something first.
    Waiting,
}

/// A step, by the state in which it is to be done, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Checkout(State, Outcome, Way),
    Refund(refund::State, Outcome),
    Cancellation(cancellation::State),
}

impl Step {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Checkout(..) => Kind::Checkout,
            Self::Refund(..) => Kind::Refund,
            Self::Cancellation(_) => Kind::Cancellation,
        }
    }

    pub(super) fn state(self) -> &'static str {
        match self {
            Self::Checkout(state, ..) => state.name(),
            Self::Refund(state, _) => state.name(),
            Self::Cancellation(state) => state.name(),
        }
    }

    /// What comes next in the history of the payment that it is about.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Checkout(state, outcome, _) => checkout_event(state, outcome).unwrap(),
            Self::Refund(state, outcome) => refund_event(state, outcome).unwrap(),
            Self::Cancellation(_) => "refund_requested",
        }
    }
}

/// What the table calls it when a step of a checkout comes to this; none where it cannot.
fn checkout_event(state: State, outcome: Outcome) -> Option<&'static str> {
    let saga::Step { action: _, done, refused, waiting } = state.step()?;
    let transition = match outcome {
        Done => Some(done),
        Refused => refused,
        Waiting => waiting,
    };
    transition.map(|(_, event)| event)
}

/// The same of a refund.
fn refund_event(state: refund::State, outcome: Outcome) -> Option<&'static str> {
    let refund::Step { action: _, done, refused } = state.step()?;
    let transition = match outcome {
        Done => Some(done),
        Refused => refused,
        Waiting => None,
    };
    transition.map(|(_, event)| event)
}

/// Who turns a checkout round.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// An admin, when it is parked, and its step was made or not.
    Admin { made: bool },
    /// The buyer, who cancels it.
    Buyer,
}

/// What neighbours refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The seats: somebody else has taken them.
    SeatsGone,
    /// The same, and others instead of them: there are none.
    NoOthers,
    /// The tickets.
    NotIssued,
    /// To take the seats back.
    NotFreed,
    /// To void tickets that were let in.
    LetIn,
}

impl Refusal {
    /// Which calls are refused with what.
    pub(super) fn calls(self) -> &'static [(&'static str, Reason)] {
        match self {
            Self::SeatsGone => &[("confirm", Reason::HoldExpired)],
            Self::NoOthers => &[("confirm", Reason::HoldExpired), ("offer", Reason::NotEnoughSeats)],
            Self::NotIssued => &[("issue", Reason::ShowtimeCancelled)],
            Self::NotFreed => &[("free", Reason::FailedPrecondition)],
            Self::LetIn => &[("void_tickets", Reason::TicketAlreadyCheckedIn)],
        }
    }
}

/// How a checkout gets into a state and comes to an outcome, and where it then ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) token: &'static str,
    pub(super) refusal: Option<Refusal>,
    /// The state in which it is turned round, and by whom.
    pub(super) turned: Option<(State, Turn)>,
    /// What a buyer who must confirm decides once the seats are kept; where there is nothing, their time runs out.
    pub(super) decision: Option<&'static str>,
    /// Whether it is for an exchange.
    pub(super) exchange: bool,
    pub(super) end: State,
}

/// All steps with all that comes of them; those of a checkout once for a purchase and once for an exchange.
pub(super) fn all() -> Vec<Step> {
    let of = |kind: &Kind| -> Vec<Step> {
        match kind {
            Kind::Checkout => cases(State::ALL).flat_map(checkouts).collect(),
            Kind::Refund => cases(refund::State::ALL).filter_map(refunds).collect(),
            Kind::Cancellation => {
                let open = cancellation::State::ALL.iter().filter(|state| state.step().is_some());
                open.map(|state| Step::Cancellation(*state)).collect()
            }
        }
    };
    Kind::ALL.iter().flat_map(of).collect()
}

fn cases<S: Copy + 'static>(states: &'static [S]) -> impl Iterator<Item = (S, Outcome)> {
    states.iter().flat_map(|state| [Done, Refused, Waiting].map(|outcome| (*state, outcome)))
}

fn checkouts((state, outcome): (State, Outcome)) -> Vec<Step> {
    let way = way_to(state, outcome);
    assert_eq!(way.is_some(), checkout_event(state, outcome).is_some(), "{state:?} {outcome:?}");
    let Some(way) = way else { return Vec::new() };
    let for_an_exchange = Way { exchange: true, ..way };
    // Of an exchange that would be refused for the old tickets and their seats as well.
    let one = way.exchange || matches!(way.refusal, Some(Refusal::NotFreed | Refusal::LetIn));
    let ways = if one { vec![way] } else { vec![way, for_an_exchange] };
    ways.into_iter().map(|way| Step::Checkout(state, outcome, way)).collect()
}

fn refunds((state, outcome): (refund::State, Outcome)) -> Option<Step> {
    refund_event(state, outcome)?;
    Some(Step::Refund(state, outcome))
}

/// What has to be refused for a refund to come to this, and where it then ends.
pub(super) fn way_of_refund(state: refund::State, outcome: Outcome) -> (Option<Refusal>, refund::State) {
    match (state, outcome) {
        (refund::State::Requested, Refused) => (Some(Refusal::LetIn), refund::State::Refused),
        (refund::State::TicketsVoided, Refused) => (Some(Refusal::NotFreed), refund::State::Refunded),
        (_, Refused) => unreachable!("the table has no such step"),
        (_, Done | Waiting) => (None, refund::State::Refunded),
    }
}

fn way_to(state: State, outcome: Outcome) -> Option<Way> {
    let good = Way {
        token: "tok_approve",
        refusal: None,
        turned: None,
        decision: None,
        exchange: false,
        end: Completed,
    };
    let asked = Way { token: "tok_confirm", ..good };
    let refused = |refusal, end| Way { refusal: Some(refusal), end, ..good };
    let turned = |at, made, end| Way { turned: Some((at, Turn::Admin { made })), end, ..good };
    Some(match (state, outcome) {
        (Created | Authorised | Confirmed | Captured, Done) => good,
        (Created, Refused) => Way { token: "tok_insufficient_funds", end: Declined, ..good },
        (Created | ActionRequired, Waiting) => Way { end: Declined, ..asked },
        (ActionRequired, Done) => Way { decision: Some("approve"), ..asked },
        (ActionRequired, Refused) => Way { decision: Some("decline"), end: Declined, ..asked },
        (Withdrawing, Done) => Way { turned: Some((ActionRequired, Turn::Buyer)), end: Declined, ..asked },
        (Authorised, Refused) | (Voiding | Offering, Done) => refused(Refusal::SeatsGone, Voided),
        (Offering, Refused) => refused(Refusal::NoOthers, Voided),
        (Confirmed, Refused) | (Freeing, Done) => Way { token: "tok_capture_fails", end: Voided, ..good },
        (Exchanging, Done) => Way { exchange: true, ..good },
        (Exchanging, Refused) => Way { exchange: true, ..refused(Refusal::LetIn, Refunded) },
        (Captured, Refused) => refused(Refusal::NotIssued, Refunded),
        // Its seats were not sold.
        (Freeing, Refused) => turned(Authorised, false, Voided),
        (Returning | Repaying, Done) => turned(Captured, false, Refunded),
        (Returning, Refused) => Way { refusal: Some(Refusal::NotFreed), ..turned(Captured, false, Refunded) },
        (SeekingAuthorisation, Done) => turned(Created, true, Voided),
        (SeekingAuthorisation, Refused) => turned(Created, false, Declined),
        (SeekingCapture, Done) => turned(Confirmed, true, Refunded),
        (SeekingCapture, Refused) => turned(Confirmed, false, Voided),
        (Recalling, Done) => turned(Captured, true, Refunded),
        (Recalling, Refused) => Way { refusal: Some(Refusal::LetIn), ..turned(Captured, true, Completed) },
        (RecallingExchanged, Done) => Way { exchange: true, ..turned(Exchanging, false, Refunded) },
        (RecallingExchanged, Refused) => {
            let refusal = Some(Refusal::LetIn);
            Way { exchange: true, refusal, ..turned(Exchanging, false, Refunded) }
        }
        // What the table does not have.
        (Withdrawing | Voiding | Repaying, Refused)
        | (Completed | Declined | Voided | Refunded | PartiallyRefunded, Done | Refused)
        | (_, Waiting) => return None,
    })
}
