//! What buyers gave back is worth what they got for it, in money or in other tickets, to the cent.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    Findings,
    Invariant::MoneyAgrees,
    books::{Books, Bought, Payment, Refund},
};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    // What payments pay for tickets that were exchanged from theirs, by what those say.
    let mut carried: BTreeMap<Uuid, i64> = BTreeMap::new();
    for other in books.payments.values().filter(|other| other.completed) {
        if let Some(payment) = other.exchange_of {
            *carried.entry(payment).or_default() += other.carried_in - other.carried_back;
        }
    }
    for payment in books.payments.values().filter(|payment| payment.completed) {
        sums_add_up(books, payment, found);
        let carried = carried.get(&payment.id).copied().unwrap_or_default();
        found.must(carried == payment.carried_out, MoneyAgrees, || {
            format!(
                "payment {} pays {} for tickets of others, which count {carried}",
                payment.id, payment.carried_out
            )
        });
        for refund in books.refunds_of(payment.id).filter(|refund| refund.fee > 0) {
            fee_is_the_policys(payment, refund, found);
        }
        nothing_is_lost(books, payment, found);
    }
}

/// What a payment says of its refunds is what these say.
fn sums_add_up(books: &Books, payment: &Payment, found: &mut Findings) {
    let id = payment.id;
    let fees: i64 = books.refunds_of(id).map(|refund| refund.fee).sum();
    found.must(fees == payment.fees, MoneyAgrees, || {
        format!("payment {id} has kept {} in fees, its refunds {fees}", payment.fees)
    });
    let back: i64 = books.refunds_of(id).map(|refund| refund.carried).sum();
    found.must(back == payment.carried_back && back <= payment.carried_in, MoneyAgrees, || {
        format!(
            "payment {id}: of the {} that exchanged tickets were worth, {} were promised back and {back} are",
            payment.carried_in, payment.carried_back
        )
    });
}

/// A fee is what the theater's policy keeps of the tickets that the buyer returned, and the rest was paid back.
fn fee_is_the_policys(payment: &Payment, refund: &Refund, found: &mut Findings) {
    let returned: Vec<&Bought> =
        payment.bought.iter().filter(|bought| bought.refund == Some(refund.id)).collect();
    let fee: i64 = returned.iter().filter_map(|bought| bought.fee).sum();
    let price: i64 = returned.iter().map(|bought| bought.price).sum();
    let paid = refund.amount + refund.carried;
    // Less is paid back of a payment that was refunded by amount before.
    found.must(refund.fee == fee && paid + fee <= price, MoneyAgrees, || {
        format!(
            "refund {} pays {paid} back and keeps {}, of tickets for {price} of which the policy keeps {fee}",
            refund.id, refund.fee
        )
    });
}

/// A payment's money is what its valid tickets cost, what was paid back, what it pays for others, and fees.
fn nothing_is_lost(books: &Books, payment: &Payment, found: &mut Findings) {
    let done: BTreeSet<Uuid> = books.refunds_of(payment.id).map(|refund| refund.id).collect();
    // Money that staff pays back without a ticket is nobody's but theirs to reckon with.
    let by_amount = books.refunds_of(payment.id).any(|refund| {
        let of_tickets = payment.bought.iter().any(|bought| bought.refund == Some(refund.id));
        refund.amount > 0 && !of_tickets && !books.payments.contains_key(&refund.requested_by)
    });
    if by_amount {
        return;
    }
    let valid = |bought: &&Bought| bought.refund.is_none_or(|refund| !done.contains(&refund));
    let worth: i64 = payment.bought.iter().filter(valid).map(|bought| bought.price).sum();
    let back = payment.refunded + payment.carried_back + payment.carried_out;
    let kept = payment.amount + payment.carried_in - worth - back;
    // Staff that refunds all that is left pays fees back as well.
    found.must((0..=payment.fees).contains(&kept), MoneyAgrees, || {
        format!(
            "payment {} of {} and {} carried over has tickets for {worth} and gave {back} back: it kept {kept}, and {} are fees",
            payment.id, payment.amount, payment.carried_in, payment.fees
        )
    });
}
