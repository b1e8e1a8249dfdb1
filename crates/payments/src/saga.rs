//! The checkout, whole: authorise, confirm the seats, capture, issue the tickets.
//!
//! [`State::step`] is the table. A state is written before its step's outside effect, so it says what is known to be
//! done and what may have been: who finds a payment in a state asks for that state's step, which its receiver carries
//! out once however often it is asked for, because every request is made under the payment's id.
//!
//! ```text
//! CREATED ──authorise──▶ AUTHORISED ──confirm──▶ CONFIRMED ──capture──▶ CAPTURED ──issue──▶ COMPLETED
//!    │ declined             │ refused               │ declined            │ refused
//!    ▼                      ▼                       ▼                     ▼
//! DECLINED               VOIDING ◀──free seats── FREEING              RETURNING ──free seats──▶ REPAYING
//!                           │ void                                                                 │ refund
//!                           ▼                                                                      ▼
//!                        OFFERING ──offer other seats──▶ VOIDED                                REFUNDED
//!
//! CREATED ──must be confirmed──▶ ACTION_REQUIRED ──await buyer──▶ AUTHORISED
//!                                   │ declined, or not in time
//!                                   ▼
//!                                DECLINED ◀──void── WITHDRAWING ◀── cancelled by the buyer, in ACTION_REQUIRED
//! ```
//!
//! ACTION_REQUIRED is the one state in which nobody works on a payment (`confirmation.rs`): the provider's webhook, the
//! buyer who asks again, or a few seconds are what its step waits for.
//! The payment for an exchange (`exchange.rs`) goes from CONFIRMED to EXCHANGING, where the old tickets are voided, and
//! from there to CAPTURED; when they cannot be voided, to RETURNING. Where nothing is to be paid, the provider is not asked.
//!
//! Seats are offered only to who paid too late, which is when their confirmation is refused because the hold has expired
//! and its seats are gone; all others go from VOIDING to VOIDED. An offer is a favour: what keeps it from being made does
//! not keep the payment from ending.
//!
//! A compensation is never refused into giving up: seats that cannot be freed do not keep the money from going back, and
//! a void or refund that the provider does not carry out is tried again, and logged each time.
//!
//! What cannot be done for hours is parked (the file `parking.rs`), whichever step it is. A person can have a parked
//! checkout go on, or turn it round by [`State::way_back`]. Since nobody then knows whether its last step had its effect,
//! that is found out first, or what it would have done is undone in any case:
//!
//! ```text
//! CREATED, ACTION_REQUIRED ─▶ SEEKING_AUTHORISATION ──found──▶ VOIDING   ──not found──▶ DECLINED
//! AUTHORISED ─▶ FREEING
//! CONFIRMED ──▶ SEEKING_CAPTURE ──found──▶ RETURNING           ──not found──▶ FREEING
//! CAPTURED ───▶ RECALLING ──tickets voided──▶ RETURNING        ──one was let in──▶ CAPTURED
//! EXCHANGING ─▶ RECALLING_EXCHANGED ──old tickets voided, or kept because one was let in──▶ RETURNING
//! ```

mod checkout;

pub(crate) use checkout::{Checkout, Effect};

use crate::named::named;

named! {
    /// How far a payment is.
    enum State {
        /// Nothing is known to have been asked of the provider.
        Created = "CREATED",
        /// The buyer must confirm before the provider holds the money.
        ActionRequired = "ACTION_REQUIRED",
        /// Cancelled by the buyer, who is to be kept from confirming.
        Withdrawing = "WITHDRAWING",
        /// The provider holds the money.
        Authorised = "AUTHORISED",
        /// The seats are sold to this payment.
        Confirmed = "CONFIRMED",
        /// The money is taken; the tickets that are exchanged are to be voided.
        Exchanging = "EXCHANGING",
        /// The money is taken.
        Captured = "CAPTURED",
        /// The tickets are issued.
        Completed = "COMPLETED",
        /// The provider said no.
        Declined = "DECLINED",
        /// The capture was declined: the seats are to be freed.
        Freeing = "FREEING",
        /// The authorisation is to be given back.
        Voiding = "VOIDING",
        /// Nothing was taken; other seats are to be offered to who paid too late.
        Offering = "OFFERING",
        /// Nothing was taken.
        Voided = "VOIDED",
        /// No tickets can be had: the seats are to be freed.
        Returning = "RETURNING",
        /// The money that was taken is to be paid back.
        Repaying = "REPAYING",
        /// All was paid back.
        Refunded = "REFUNDED",
        /// Some was paid back.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// Given up by a person while it was not known whether the provider holds the money.
        SeekingAuthorisation = "SEEKING_AUTHORISATION",
        /// Given up by a person while it was not known whether the money was taken.
        SeekingCapture = "SEEKING_CAPTURE",
        /// Given up by a person while it was not known whether the tickets were issued: they are to be voided.
        Recalling = "RECALLING",
        /// Given up by a person while it was not known whether the exchanged tickets were voided: they are to be.
        RecallingExchanged = "RECALLING_EXCHANGED",
    }
}

/// What a step asks of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The provider: hold the money.
    Authorise,
    /// The provider: whether the buyer has confirmed. Reservations: keep the seats meanwhile.
    AwaitBuyer,
    /// Reservations: turn the hold into a sale.
    ConfirmSeats,
    /// The provider: take the money.
    Capture,
    /// Tickets: make those void that are exchanged.
    VoidExchanged,
    /// Tickets: one for each seat.
    IssueTickets,
    /// Reservations: undo the sale.
    FreeSeats,
    /// The provider: give the authorisation back.
    Void,
    /// Reservations: hold other seats instead of those that are gone.
    OfferSeats,
    /// The provider: pay all back.
    Repay,
    /// The provider: was the money authorised?
    FindAuthorisation,
    /// The provider: was the money taken?
    FindCapture,
    /// Tickets: make them void.
    VoidTickets,
}

/// What the history calls it when the exchanged tickets have become void.
pub(crate) const EXCHANGED_VOIDED: &str = "exchanged_tickets_voided";

/// Where a step leads, and what the history calls that.
type Transition = (State, &'static str);

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) done: Transition,
    /// What a refusal leads to; where it leads nowhere, the step is tried until it is done.
    pub(crate) refused: Option<Transition>,
    /// What it leads to that the buyer must do something first.
    pub(crate) waiting: Option<Transition>,
}

impl State {
    /// What is to be done next; nothing when the checkout has ended.
    pub(crate) const fn step(self) -> Option<Step> {
        use Action::{
            Authorise, AwaitBuyer, Capture, ConfirmSeats, FindAuthorisation, FindCapture, FreeSeats,
            IssueTickets, OfferSeats, Repay, Void, VoidExchanged, VoidTickets,
        };
        use State::{
            ActionRequired, Authorised, Captured, Completed, Confirmed, Created, Declined, Exchanging,
            Freeing, Offering, PartiallyRefunded, Recalling, RecallingExchanged, Refunded, Repaying,
            Returning, SeekingAuthorisation, SeekingCapture, Voided, Voiding, Withdrawing,
        };
        let (action, done, refused) = match self {
            Created => (Authorise, (Authorised, "authorised"), Some((Declined, "declined"))),
            ActionRequired => (AwaitBuyer, (Authorised, "authorised"), Some((Declined, "declined"))),
            Withdrawing => (Void, (Declined, "withdrawn"), None),
            Authorised => (ConfirmSeats, (Confirmed, "seats_confirmed"), Some((Voiding, "seats_refused"))),
            Confirmed => (Capture, (Captured, "captured"), Some((Freeing, "capture_declined"))),
            Exchanging => {
                (VoidExchanged, (Captured, EXCHANGED_VOIDED), Some((Returning, "exchange_refused")))
            }
            Captured => (IssueTickets, (Completed, "tickets_issued"), Some((Returning, "tickets_refused"))),
            Freeing => (FreeSeats, (Voiding, "seats_freed"), Some((Voiding, "seats_not_freed"))),
            Voiding => (Void, (Offering, "voided"), None),
            Offering => (OfferSeats, (Voided, "seats_offered"), Some((Voided, "no_seats_offered"))),
            Returning => (FreeSeats, (Repaying, "seats_freed"), Some((Repaying, "seats_not_freed"))),
            Repaying => (Repay, (Refunded, "refunded"), None),
            SeekingAuthorisation => {
                (FindAuthorisation, (Voiding, "authorisation_found"), Some((Declined, "not_authorised")))
            }
            SeekingCapture => (FindCapture, (Returning, "capture_found"), Some((Freeing, "not_captured"))),
            // A ticket that was let in was sold: the checkout goes on to its good end.
            Recalling => (VoidTickets, (Returning, "tickets_voided"), Some((Captured, "tickets_kept"))),
            RecallingExchanged => {
                (VoidExchanged, (Returning, EXCHANGED_VOIDED), Some((Returning, "exchanged_tickets_kept")))
            }
            Completed | Declined | Voided | Refunded | PartiallyRefunded => return None,
        };
        let waiting = match self {
            Created => Some((ActionRequired, "action_required")),
            ActionRequired => Some((ActionRequired, "hold_extended")),
            _ => None,
        };
        Some(Step { action, done, refused, waiting })
    }

    /// Where a person turns round a checkout that is parked in this state; the state itself where it is on its way back
    /// already, and nothing where it has ended.
    pub(crate) const fn way_back(self) -> Option<Self> {
        match self {
            Self::Created | Self::ActionRequired => Some(Self::SeekingAuthorisation),
            // The seats may have been confirmed. Seats that were not sold cannot be freed, which leads on as well.
            Self::Authorised => Some(Self::Freeing),
            Self::Confirmed => Some(Self::SeekingCapture),
            Self::Exchanging => Some(Self::RecallingExchanged),
            Self::Captured => Some(Self::Recalling),
            Self::Withdrawing
            | Self::Freeing
            | Self::Voiding
            | Self::Offering
            | Self::Returning
            | Self::Repaying
            | Self::SeekingAuthorisation
            | Self::SeekingCapture
            | Self::Recalling
            | Self::RecallingExchanged => Some(self),
            Self::Completed | Self::Declined | Self::Voided | Self::Refunded | Self::PartiallyRefunded => {
                None
            }
        }
    }

    /// Whether no other payment for the reservation may begin.
    pub(crate) const fn holds_reservation(self) -> bool {
        !matches!(self, Self::Declined | Self::Offering | Self::Voided)
    }
}
