//! Payments and the bank agree to the cent, and nothing that was authorised is forgotten.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    Findings,
    Invariant::{MoneyAgrees, NothingLeftAuthorised},
    books::{Account, Books, Payment},
};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    for (id, account) in &books.accounts {
        found.must(
            account.voided || account.captured > 0 || account.authorised == 0,
            NothingLeftAuthorised,
            || {
                format!(
                    "payment {id}: {} {} are held at the bank for ever",
                    account.authorised, account.currency
                )
            },
        );
        found.must(books.payments.contains_key(id), MoneyAgrees, || {
            format!("the bank has moved money for payment {id}, which payments does not know")
        });
    }
    for payment in books.payments.values() {
        let account = books.accounts.get(&payment.id);
        if payment.is_captured() {
            captured(books, payment, account, found);
        } else if payment.is_free() {
            let free = account.is_none_or(|account| account.captured == 0);
            found.must(free, MoneyAgrees, || {
                format!("payment {} is {}, and the bank has captured {account:?}", payment.id, payment.state)
            });
        }
    }
    ledger_adds_up(books, found);
}

/// A payment whose money was taken: in full, and refunded as often as payments says.
fn captured(books: &Books, payment: &Payment, account: Option<&Account>, found: &mut Findings) {
    // Of an exchange that costs nothing the bank does not know.
    if payment.amount == 0 {
        return found.must(account.is_none(), MoneyAgrees, || {
            format!("payment {} costs nothing, and the bank has {account:?}", payment.id)
        });
    }
    let wanted = Account {
        authorised: payment.amount,
        captured: payment.amount,
        refunded: payment.refunded,
        currency: payment.currency.clone(),
        voided: false,
    };
    found.must(account == Some(&wanted), MoneyAgrees, || {
        format!(
            "payment {} is {}: the bank should have {wanted:?} and has {account:?}",
            payment.id, payment.state
        )
    });
    let refunds: i64 = books.refunds_of(payment.id).map(|refund| refund.amount).sum();
    // A payment whose tickets could not be issued is repaid by the checkout itself, without a refund of its own.
    found.must(payment.is_repaid() || refunds == payment.refunded, MoneyAgrees, || {
        format!("payment {} was refunded {}, its refunds are {refunds}", payment.id, payment.refunded)
    });
}

/// The bank's accounts are what its own ledger says.
fn ledger_adds_up(books: &Books, found: &mut Findings) {
    let mut sums: BTreeMap<Uuid, [i64; 4]> = BTreeMap::new();
    for operation in &books.operations {
        let sum = sums.entry(operation.payment).or_default();
        match operation.kind.as_str() {
            "authorise" => sum[0] += operation.amount,
            "capture" => sum[1] += operation.amount,
            "refund" => sum[2] += operation.amount,
            "void" => sum[3] += operation.amount,
            other => found.must(false, MoneyAgrees, || format!("the bank's ledger has an operation {other}")),
        }
    }
    for (id, [authorised, captured, refunded, voided]) in &sums {
        let account = books.accounts.get(id);
        let same = account.is_some_and(|account| {
            (account.authorised, account.captured, account.refunded) == (*authorised, *captured, *refunded)
                && *voided == if account.voided { account.authorised } else { 0 }
        });
        found.must(same, MoneyAgrees, || {
            format!("payment {id}: the bank's ledger adds up to {authorised} authorised, {captured} captured, {refunded} refunded, {voided} voided, its account is {account:?}")
        });
    }
}
