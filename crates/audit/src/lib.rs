//! Checks, over everything in every database and the sandbox bank's ledger, what must hold whatever crashed, was lost
//! or came late: no seat is sold twice, nobody is charged for nothing, and the money adds up.
//!
//! It reads the databases and none of the services' code but that of the seats' history, so it does not repeat a
//! service's mistakes. One file checks one thing. Nobody may write meanwhile.

mod books;
mod events;
mod ledger;
mod money;
mod order;
mod returns;
mod seats;
mod settled;
mod tickets;

use std::fmt;

use moviebooking_store::{Db, StoreError};

use books::Books;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No seat of a showtime is ever held or sold to two at once, over the whole history of its seats.
    SeatsSoldOnce,
    /// A captured payment has exactly its tickets or was refunded in full, as all are for a cancelled showtime; a ticket
    /// has a captured payment; and the seats that are sold are those with a valid ticket.
    PaidIsTicketed,
    /// The seats were the buyer's before the money was taken.
    SeatsBeforeMoney,
    /// Nothing that was authorised is left neither captured nor given back.
    NothingLeftAuthorised,
    /// The bank has moved what payments and the ledger say, and what is given back is worth what is paid for it, to the
    /// cent.
    MoneyAgrees,
    /// No payment, refund or cancelled showtime is left with something to do.
    Settled,
    /// Every change of a payment has its event. That all events are published, only who sees the broker can check.
    ChangesAreTold,
    /// Every request gets a final answer in the end. Only who asked can check this and what follows.
    Answered,
    /// What was answered is so.
    AnswersTrue,
    /// A request that is repeated with its idempotency key has one effect and one answer.
    SameAnswer,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SeatsSoldOnce,
        Self::PaidIsTicketed,
        Self::SeatsBeforeMoney,
        Self::NothingLeftAuthorised,
        Self::MoneyAgrees,
        Self::Settled,
        Self::ChangesAreTold,
        Self::Answered,
        Self::AnswersTrue,
        Self::SameAnswer,
    ];

    /// What is so when it holds, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SeatsSoldOnce => "no seat was sold twice",
            Self::PaidIsTicketed => {
                "every captured payment has its tickets or a full refund, and every ticket its payment"
            }
            Self::SeatsBeforeMoney => "no money was taken before the seats were confirmed",
            Self::NothingLeftAuthorised => "nothing authorised is left uncaptured and unvoided",
            Self::MoneyAgrees => "the bank, the ledger and payments agree to the cent",
            Self::Settled => "no payment or refund is left unfinished",
            Self::ChangesAreTold => "every change has its event, and every event is published",
            Self::Answered => "every request got a final answer",
            Self::AnswersTrue => "what was answered is so",
            Self::SameAnswer => "a repeated request had one effect and the same answer",
        }
    }
}

/// Something that must not be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule is broken.
    pub invariant: Invariant,
    /// What breaks it, for people, with the ids of the rows.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

/// The databases of one platform.
#[derive(Clone, Debug)]
pub struct Databases {
    /// Of the reservations service.
    pub reservations: Db,
    /// Of the payments service.
    pub payments: Db,
    /// Of the tickets service.
    pub tickets: Db,
    /// Of the sandbox bank.
    pub bank: Db,
}

/// Everything that is wrong. The books are read into memory: a few hundred bytes for each payment and ticket.
///
/// # Errors
/// [`StoreError`] when a table cannot be read.
pub async fn audit(databases: &Databases) -> Result<Vec<Violation>, StoreError> {
    let books = Books::read(databases).await?;
    let mut found = Findings::default();
    seats::check(&databases.reservations, &mut found).await?;
    tickets::check(&books, &mut found);
    order::check(&books, &mut found);
    money::check(&books, &mut found);
    ledger::check(databases, &books, &mut found).await?;
    returns::check(&books, &mut found);
    settled::check(databases, &books, &mut found).await?;
    events::check(databases, &mut found).await?;
    Ok(found.0)
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    /// Notes `what` unless it holds.
    fn must(&mut self, holds: bool, invariant: Invariant, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation { invariant, what: what() });
        }
    }
}
