//! Faults that are built into services on purpose, to see that the campaign finds them.
//!
//! Services have them only when they are built with their feature `sabotage`, and of those the one that
//! `MOVIEBOOKING_SABOTAGE` names. No build with a release profile can have them: this crate does not compile in one.

use std::sync::OnceLock;

#[cfg(not(debug_assertions))]
compile_error!("faults are for debug builds only: build without the feature `sabotage`");

/// Names the fault that a process has.
pub const VARIABLE: &str = "MOVIEBOOKING_SABOTAGE";

/// Something that a service does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reservations: holds end after a moment, and a confirmation sells the seats whoever has them by then.
    ConfirmIgnoresExpiry,
    /// Reservations: a hold's idempotency key is not looked at.
    KeyIgnored,
    /// Payments: the money is taken before the seats are confirmed.
    CaptureBeforeConfirm,
    /// Payments: an authorisation is not given back.
    LostVoid,
    /// Payments: a refund is paid a second time under another key.
    RefundTwice,
    /// Payments: what another process left is not taken over.
    NothingTakenOver,
    /// Payments: who was declined is told that they paid.
    DeclineToldAsPaid,
    /// Payments: what happened is written down after the transaction in which it happened.
    EventOutsideTransaction,
    /// Payments: a refund is not booked in the ledger.
    RefundNotBooked,
    /// Payments: tickets that are exchanged stay valid.
    ExchangedStayValid,
    /// Payments: its events are noted as published and are not.
    EventsLost,
    /// Tickets: they are answered and not kept.
    TicketsNotKept,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ConfirmIgnoresExpiry,
        Self::KeyIgnored,
        Self::CaptureBeforeConfirm,
        Self::LostVoid,
        Self::RefundTwice,
        Self::NothingTakenOver,
        Self::DeclineToldAsPaid,
        Self::EventOutsideTransaction,
        Self::RefundNotBooked,
        Self::ExchangedStayValid,
        Self::EventsLost,
        Self::TicketsNotKept,
    ];

    /// Its name in [`VARIABLE`].
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether this process has it.
    pub fn is_on(self) -> bool {
        static CHOSEN: OnceLock<Option<Fault>> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok()?;
            Self::ALL.into_iter().find(|fault| fault.name() == name)
        });
        *chosen == Some(self)
    }
}
