//! What must be true of one payment.

use std::collections::BTreeMap;

use crate::{
    ledger::{Account, CAPTURED, Entry, FEE_KEPT, PROVIDER_FEE, REFUNDED},
    payment::Payment,
    saga::State,
};

/// A ticket that was bought.
pub(super) struct Seat {
    pub(super) label: String,
    pub(super) price: i64,
}

/// An event, and the minor units that moved with it.
pub(super) struct Moving {
    pub(super) seq: i64,
    pub(super) amount: i64,
}

/// All that the database says of a payment.
pub(super) struct Facts {
    pub(super) payment: Payment,
    version: i64,
    pub(super) ledger: Vec<Entry>,
    pub(super) events: Vec<Moving>,
    pub(super) tickets: Vec<Seat>,
}

/// Where all of a payment's money must be in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    /// With the buyer.
    Nowhere,
    /// Held by the provider.
    Held,
    /// With the buyer, or held.
    NowhereOrHeld,
    /// Taken, but for what was paid back.
    Taken,
}

/// Where the money is in each state: what is booked, which may be less than what was done by a step that is under way.
const fn whereabouts(state: State) -> Whereabouts {
    match state {
        State::Created
        | State::ActionRequired
        | State::Withdrawing
        | State::Declined
        | State::Offering
        | State::Voided
        | State::SeekingAuthorisation => Whereabouts::Nowhere,
        State::Authorised | State::Confirmed | State::SeekingCapture => Whereabouts::Held,
        // A confirmation by the buyer that never came is voided as well.
        State::Freeing | State::Voiding => Whereabouts::NowhereOrHeld,
        State::Exchanging
        | State::RecallingExchanged
        | State::Captured
        | State::Completed
        | State::Returning
        | State::Repaying
        | State::Recalling
        | State::Refunded
        | State::PartiallyRefunded => Whereabouts::Taken,
    }
}

/// Whether an amount of its own is booked, beside that of the event.
fn is_fee(entry: &Entry) -> bool {
    entry.movement == FEE_KEPT || entry.movement == PROVIDER_FEE
}

impl Facts {
    pub(super) fn new(payment: Payment, version: i64) -> Self {
        Self { payment, version, ledger: Vec::new(), events: Vec::new(), tickets: Vec::new() }
    }

    /// What is wrong with it.
    pub(super) fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.judge_history(&mut wrong);
        self.judge_money(&mut wrong);
        self.judge_tickets(&mut wrong);
        wrong
    }

    /// Each event that moved money is booked with its amount, and nothing else is.
    fn judge_history(&self, wrong: &mut Vec<String>) {
        let mut seqs: Vec<i64> = self.events.iter().map(|event| event.seq).collect();
        seqs.sort_unstable();
        if !seqs.iter().copied().eq(1..=self.version) {
            wrong.push(format!("has version {} and the events {seqs:?}", self.version));
        }
        let mut booked: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.ledger {
            booked.entry(entry.seq).or_default().push(entry);
            // A provider keeps its fees in the currency in which it settles.
            let foreign = entry.amount.currency != self.payment.amount.currency;
            if foreign && entry.movement != PROVIDER_FEE
                || entry.provider != self.payment.provider
                || entry.theater != self.payment.theater_id
            {
                wrong.push(format!("entry {}.{} is booked for another account", entry.seq, entry.line));
            }
        }
        for event in &self.events {
            let entries = booked.remove(&event.seq).unwrap_or_default();
            let mut moved = entries.iter().filter(|entry| !is_fee(entry));
            if moved.any(|entry| entry.amount.minor != event.amount) {
                wrong.push(format!(
                    "event {} moved {}, and another amount is booked",
                    event.seq, event.amount
                ));
            }
        }
        if let Some(seq) = booked.keys().next() {
            wrong.push(format!("entries are booked for event {seq}, which never happened"));
        }
    }

    /// The ledger and the payment say the same of where the money is.
    fn judge_money(&self, wrong: &mut Vec<String>) {
        let payment = &self.payment;
        let amount = payment.amount.minor;
        let held = self.balance(Account::ProviderHolds);
        let taken = self.sum(CAPTURED);
        let returned = self.sum(REFUNDED);
        let right = match whereabouts(payment.state) {
            Whereabouts::Nowhere => held == 0 && taken == 0,
            Whereabouts::Held => held == amount && taken == 0,
            Whereabouts::NowhereOrHeld => (held == 0 || held == amount) && taken == 0,
            Whereabouts::Taken => held == 0 && taken == amount,
        };
        if !right {
            let state = payment.state.name();
            wrong.push(format!(
                "is {state} over {amount}, and in the ledger {held} are held and {taken} taken"
            ));
        }
        if returned != payment.refunded {
            wrong.push(format!("{} were refunded, and {returned} in the ledger", payment.refunded));
        }
        let kept = self.sum(FEE_KEPT);
        if kept != payment.fees {
            wrong.push(format!("{} were kept as fees, and {kept} in the ledger", payment.fees));
        }
        let refunds = match payment.state {
            // What it carried from tickets that were exchanged may have been paid back by their own payment.
            State::Refunded => {
                let all = amount.saturating_add(payment.carried_in());
                payment.refunded == amount || payment.refunded.saturating_add(payment.carried_back) == all
            }
            State::PartiallyRefunded => payment.refunded <= amount,
            _ => payment.refunded == 0,
        };
        if !refunds {
            wrong.push(format!("is {} with {} of {amount} refunded", payment.state.name(), payment.refunded));
        }
    }

    /// A completed payment has the tickets that were ordered, and no other payment has any.
    fn judge_tickets(&self, wrong: &mut Vec<String>) {
        let mut bought: Vec<(&str, i64)> =
            self.tickets.iter().map(|ticket| (ticket.label.as_str(), ticket.price)).collect();
        let mut ordered = Vec::new();
        if self.payment.completed_at.is_some() {
            ordered = self
                .payment
                .ticket_order
                .seats
                .iter()
                .map(|seat| (seat.label.as_str(), seat.price.as_ref().map_or(0, |price| price.amount_minor)))
                .collect();
        }
        bought.sort_unstable();
        ordered.sort_unstable();
        if bought != ordered {
            wrong.push(format!("has the tickets {bought:?}, and {ordered:?} were ordered"));
        }
    }

    fn balance(&self, account: Account) -> i64 {
        let signed = self.ledger.iter().map(|entry| match account {
            account if entry.debit == account => entry.amount.minor,
            account if entry.credit == account => -entry.amount.minor,
            _ => 0,
        });
        signed.sum()
    }

    fn sum(&self, movement: &str) -> i64 {
        self.ledger.iter().filter(|entry| entry.movement == movement).map(|entry| entry.amount.minor).sum()
    }
}
