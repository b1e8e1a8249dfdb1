//! Who paid has tickets, who has tickets paid, and the seats that are sold are those with a valid ticket.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    Findings,
    Invariant::PaidIsTicketed,
    books::{Books, Bought, Payment, Refund, Ticket},
};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    let mut issued: BTreeMap<Uuid, Vec<&Ticket>> = BTreeMap::new();
    for ticket in &books.tickets {
        issued.entry(ticket.payment).or_default().push(ticket);
    }
    let done: BTreeMap<Uuid, &Refund> =
        books.refunds.iter().filter(|refund| refund.is_done()).map(|refund| (refund.id, refund)).collect();
    for payment in books.payments.values() {
        let issued = issued.get(&payment.id).map_or(&[][..], Vec::as_slice);
        if payment.is_repaid() {
            let valid = issued.iter().filter(|ticket| !ticket.is_void).count();
            found.must(valid == 0 && payment.bought.is_empty(), PaidIsTicketed, || {
                format!("payment {} was paid back and has {valid} tickets", payment.id)
            });
        } else if payment.is_free() {
            found.must(payment.bought.is_empty() && issued.is_empty(), PaidIsTicketed, || {
                format!("payment {} was not captured and has tickets", payment.id)
            });
        } else if payment.is_captured() {
            payment_has_its_tickets(payment, issued, &done, found);
            let cancelled = books.cancelled.contains(&payment.showtime);
            let kept = payment.bought.iter().find(|bought| !is_taken_back(bought, &done));
            found.must(!cancelled || kept.is_none(), PaidIsTicketed, || {
                format!("payment {} for a cancelled showtime is not refunded", payment.id)
            });
        }
    }
    for ticket in &books.tickets {
        found.must(books.payments.contains_key(&ticket.payment), PaidIsTicketed, || {
            format!("ticket {} is of payment {}, which is not there", ticket.id, ticket.payment)
        });
    }
    seats_have_their_tickets(books, &done, found);
}

fn is_taken_back(bought: &Bought, done: &BTreeMap<Uuid, &Refund>) -> bool {
    bought.refund.is_some_and(|refund| done.contains_key(&refund))
}

/// Whether a cancelled showtime's money went back for a ticket that is not void because somebody was let in with it.
fn is_left_alone(ticket: &Ticket, bought: &Bought, done: &BTreeMap<Uuid, &Refund>) -> bool {
    let refund = bought.refund.and_then(|refund| done.get(&refund));
    ticket.checked_in && refund.is_some_and(|refund| refund.leaves_checked_in)
}

/// What a payment says that it bought is what was issued for it, void where it was taken back.
fn payment_has_its_tickets(
    payment: &Payment,
    issued: &[&Ticket],
    done: &BTreeMap<Uuid, &Refund>,
    found: &mut Findings,
) {
    let id = payment.id;
    let price: i64 = payment.bought.iter().map(|bought| bought.price).sum();
    let paid = payment.amount + payment.carried_in;
    found.must(!payment.bought.is_empty() && price == paid, PaidIsTicketed, || {
        format!(
            "payment {id} of {paid} has {} tickets worth {price}, and {} were refunded",
            payment.bought.len(),
            payment.refunded
        )
    });
    found.must(issued.len() == payment.bought.len(), PaidIsTicketed, || {
        format!("payment {id} bought {} tickets, {} were issued", payment.bought.len(), issued.len())
    });
    for bought in &payment.bought {
        let Some(ticket) = issued.iter().find(|ticket| ticket.id == bought.ticket) else {
            found.must(false, PaidIsTicketed, || {
                format!("payment {id} bought ticket {}, which is not there", bought.ticket)
            });
            continue;
        };
        let same = ticket.seat == bought.seat
            && ticket.price == bought.price
            && ticket.reservation == payment.reservation
            && ticket.showtime == payment.showtime;
        found.must(same, PaidIsTicketed, || format!("ticket {} is not what payment {id} bought", ticket.id));
        let taken_back = is_taken_back(bought, done);
        found.must(
            ticket.is_void == taken_back || is_left_alone(ticket, bought, done),
            PaidIsTicketed,
            || {
                format!(
                    "ticket {} of payment {id}: void is {}, refunded is {taken_back}",
                    ticket.id, ticket.is_void
                )
            },
        );
    }
}

fn seats_have_their_tickets(books: &Books, done: &BTreeMap<Uuid, &Refund>, found: &mut Findings) {
    let mut without = books.sold.clone();
    for ticket in books.tickets.iter().filter(|ticket| !ticket.is_void) {
        let bought = books.payments.get(&ticket.payment).map_or(&[][..], |payment| payment.bought.as_slice());
        let bought = bought.iter().find(|bought| bought.ticket == ticket.id);
        if bought.is_some_and(|bought| is_left_alone(ticket, bought, done)) {
            continue;
        }
        let seat = (ticket.showtime, ticket.seat.clone());
        let sold_to = without.remove(&seat);
        found.must(sold_to == Some(ticket.reservation), PaidIsTicketed, || {
            format!(
                "ticket {} lets somebody into {} of showtime {}, which is sold to {sold_to:?} and not to {}",
                ticket.id, ticket.seat, ticket.showtime, ticket.reservation
            )
        });
    }
    for ((showtime, seat), reservation) in without {
        found.must(false, PaidIsTicketed, || {
            format!(
                "{seat} of showtime {showtime} is sold to reservation {reservation} and has no valid ticket"
            )
        });
    }
}
