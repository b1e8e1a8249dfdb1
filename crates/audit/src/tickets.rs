//! Who paid has tickets, who has tickets paid, and the seats that are sold are those with a valid ticket.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    Findings,
    Invariant::PaidIsTicketed,
    books::{Books, Payment, Ticket},
};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    let mut issued: BTreeMap<Uuid, Vec<&Ticket>> = BTreeMap::new();
    for ticket in &books.tickets {
        issued.entry(ticket.payment).or_default().push(ticket);
    }
    let done = books.done_refunds();
    for payment in books.payments.values() {
        payment_has_its_tickets(payment, issued.get(&payment.id).map_or(&[], Vec::as_slice), &done, found);
    }
    for ticket in &books.tickets {
        let payment = books.payments.get(&ticket.payment);
        let paid = payment.is_some_and(|payment| {
            payment.is_captured() && payment.bought.iter().any(|bought| bought.ticket == ticket.id)
        });
        found.must(paid, PaidIsTicketed, || {
            format!("ticket {} is of payment {}, which did not buy it", ticket.id, ticket.payment)
        });
    }
    seats_have_their_tickets(books, found);
}

/// What a payment says that it bought is what was issued for it, void where it was refunded.
fn payment_has_its_tickets(
    payment: &Payment,
    issued: &[&Ticket],
    done: &BTreeSet<Uuid>,
    found: &mut Findings,
) {
    let id = payment.id;
    if payment.is_free() {
        return found.must(payment.bought.is_empty(), PaidIsTicketed, || {
            format!("payment {id} was not captured and has tickets")
        });
    }
    if !payment.is_captured() {
        return;
    }
    let price: i64 = payment.bought.iter().map(|bought| bought.price).sum();
    let refunded = payment.refunded == payment.amount;
    let complete = !payment.bought.is_empty() && price == payment.amount + payment.carried_in;
    found.must(complete || refunded, PaidIsTicketed, || {
        format!(
            "payment {id} of {} has {} tickets worth {price}, and {} were refunded",
            payment.amount,
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
            && ticket.reservation == payment.reservation;
        found.must(same, PaidIsTicketed, || format!("ticket {} is not what payment {id} bought", ticket.id));
        let taken_back = bought.refund.is_some_and(|refund| done.contains(&refund));
        found.must(ticket.is_void == taken_back, PaidIsTicketed, || {
            format!(
                "ticket {} of payment {id}: void is {}, refunded is {taken_back}",
                ticket.id, ticket.is_void
            )
        });
    }
}

fn seats_have_their_tickets(books: &Books, found: &mut Findings) {
    let mut without = books.sold.clone();
    for ticket in books.tickets.iter().filter(|ticket| !ticket.is_void) {
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
