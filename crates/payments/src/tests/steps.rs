//! Every step of every saga, and how a checkout gets to each of its steps. A saga or a state of a checkout that is new
//! does not compile here, and a step that nobody gets to does not pass.

use moviebooking_proto::Reason;

use crate::{
    cancellation,
    kind::Kind,
    refund,
    saga::State::{self, Captured, Completed, Confirmed, Created, Declined, Exchanging, Refunded, Voided},
};

/// A step, by the state in which it is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Checkout(State, Way),
    Refund(refund::State),
    Cancellation(cancellation::State),
}

impl Step {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Checkout(..) => Kind::Checkout,
            Self::Refund(_) => Kind::Refund,
            Self::Cancellation(_) => Kind::Cancellation,
        }
    }

    pub(super) fn state(self) -> &'static str {
        match self {
            Self::Checkout(state, _) => state.name(),
            Self::Refund(state) => state.name(),
            Self::Cancellation(state) => state.name(),
        }
    }
}

/// Who turns a checkout round.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// An admin, when it is parked.
    Admin,
    /// The buyer, who cancels it.
    Buyer,
}

/// How a checkout gets into a state, and where it then ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) token: &'static str,
    /// Which call is refused with what.
    pub(super) refusal: Option<(&'static str, Reason)>,
    /// The state in which it is turned round, and by whom.
    pub(super) turned: Option<(State, Turn)>,
    /// Whether it is for an exchange.
    pub(super) exchange: bool,
    pub(super) end: State,
}

/// All steps; those of a checkout once for a purchase and once for an exchange.
pub(super) fn all() -> Vec<Step> {
    let of = |kind: &Kind| -> Vec<Step> {
        match kind {
            Kind::Checkout => State::ALL.iter().flat_map(checkouts).collect(),
            Kind::Refund => {
                let open = refund::State::ALL.iter().filter(|state| state.step().is_some());
                open.map(|state| Step::Refund(*state)).collect()
            }
            Kind::Cancellation => {
                let open = cancellation::State::ALL.iter().filter(|state| state.step().is_some());
                open.map(|state| Step::Cancellation(*state)).collect()
            }
        }
    };
    Kind::ALL.iter().flat_map(of).collect()
}

fn checkouts(state: &State) -> Vec<Step> {
    let way = way_to(*state);
    assert_eq!(way.is_some(), state.step().is_some(), "{state:?}");
    let Some(way) = way else { return Vec::new() };
    let for_an_exchange = Way { exchange: true, ..way };
    let ways = if way.exchange { vec![way] } else { vec![way, for_an_exchange] };
    ways.into_iter().map(|way| Step::Checkout(*state, way)).collect()
}

fn way_to(state: State) -> Option<Way> {
    let good = Way { token: "tok_approve", refusal: None, turned: None, exchange: false, end: Completed };
    let refused = |call, reason, end| Way { refusal: Some((call, reason)), end, ..good };
    let turned = |at, end| Way { turned: Some((at, Turn::Admin)), end, ..good };
    Some(match state {
        Created | State::Authorised | Confirmed | Captured => good,
        State::ActionRequired => Way { token: "tok_confirm", ..good },
        State::Withdrawing => {
            let turned = Some((State::ActionRequired, Turn::Buyer));
            Way { token: "tok_confirm", turned, end: Declined, ..good }
        }
        Exchanging => Way { exchange: true, ..good },
        State::Freeing | State::Voiding => Way { token: "tok_capture_fails", end: Voided, ..good },
        State::Offering => refused("confirm", Reason::HoldExpired, Voided),
        State::Returning | State::Repaying => refused("issue", Reason::ShowtimeCancelled, Refunded),
        State::SeekingAuthorisation => turned(Created, Declined),
        State::SeekingCapture => turned(Confirmed, Voided),
        State::Recalling => turned(Captured, Refunded),
        State::RecallingExchanged => Way { exchange: true, ..turned(Exchanging, Refunded) },
        Completed | Declined | Voided | Refunded | State::PartiallyRefunded => return None,
    })
}
