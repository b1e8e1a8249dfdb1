//! Two buyers, one seat, and one process that dies: every order in which that can happen, with the services as they are.
//!
//! An order is a list of moves. It is carried out from the beginning on, with a showtime and buyers of its own; wherever it
//! gets to something that no order got to before, the other moves that are possible there are noted as orders to be
//! carried out later. What is in the databases in the end is then checked over all orders.
//!
//! Steps that only the bank or tickets have to do with are the same before and after whatever the other buyer does: where
//! one comes next, it comes first, and no order is tried that differs in nothing but that.

use std::collections::HashSet;

use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::{
    payments::v1::ChargeRequest,
    reservations::v1::{Reservation, ReservationState},
};
use moviebooking_store::testing::TestDb;

use super::{
    cinema::Cinema,
    kills::{check, service},
    world::customer,
};
use crate::{
    Service,
    audit::unfinished,
    grpc::read_charge,
    kind::Kind,
    payment::Payment,
    runner::Saga as _,
    saga::{Action, State, Step},
    store::LEASE,
};

/// Something that one of the buyers, their process, or the time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Move {
    /// The buyer asks for the seat.
    Hold(usize),
    /// The buyer pays: the payment is written down.
    Pay(usize),
    /// The process that works on the payment does a step.
    Step(usize),
    /// It dies before the step's effect.
    DieBefore(usize),
    /// It dies after the step's effect, before that is written down.
    DieAfter(usize),
    /// Another process takes the payment over.
    TakeOver(usize),
    /// Holds that are not paid run out.
    Expire,
}

/// How far one of the buyers is.
struct Buyer {
    caller: Caller,
    token: &'static str,
    hold: Option<Reservation>,
    payment: Option<Payment>,
    /// The process that works on the payment is dead.
    dead: bool,
    /// The payment was refused before it was written down.
    refused: bool,
}

/// What tells a point of an order from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Point {
    buyers: Vec<(Option<ReservationState>, Option<State>, bool, bool)>,
    /// Whether a process has died.
    died: bool,
    /// How, and at which step, until another one has done that.
    at: Option<(Move, State)>,
    expired: bool,
}

/// One order.
struct Run<'a> {
    cinema: &'a Cinema,
    service: &'a Service,
    showtime: String,
    buyers: [Buyer; 2],
    died: Option<(Move, State)>,
    expired: bool,
}

impl<'a> Run<'a> {
    async fn new(cinema: &'a Cinema, service: &'a Service, tokens: [&'static str; 2]) -> Self {
        let buyers = tokens.map(|token| Buyer {
            caller: customer(),
            token,
            hold: None,
            payment: None,
            dead: false,
            refused: false,
        });
        let showtime = cinema.showtime_for_one().await;
        Self { cinema, service, showtime, buyers, died: None, expired: false }
    }

    async fn point(&self) -> Point {
        let mut buyers = Vec::new();
        for buyer in &self.buyers {
            let held = match &buyer.hold {
                Some(hold) => Some(self.cinema.state(&buyer.caller, &hold.id).await),
                None => None,
            };
            let state = buyer.payment.as_ref().map(|payment| payment.state);
            buyers.push((held, state, buyer.dead, buyer.refused));
        }
        let retried = |payment: &Payment| payment.lease.retried();
        let open = self.buyers.iter().any(|buyer| buyer.dead || buyer.payment.as_ref().is_some_and(retried));
        let at = self.died.filter(|_| open);
        Point { buyers, died: self.died.is_some(), at, expired: self.expired }
    }

    /// What the process of a payment, or one that takes it over, can do.
    fn moves_of(&self, index: usize, payment: &Payment) -> Vec<Move> {
        if self.buyers[index].dead {
            vec![Move::TakeOver(index)]
        } else if payment.state.step().is_none() {
            Vec::new()
        } else if self.died.is_some() {
            vec![Move::Step(index)]
        } else {
            vec![Move::DieBefore(index), Move::DieAfter(index), Move::Step(index)]
        }
    }

    /// What can happen at this point.
    fn moves(&self, point: &Point) -> Vec<Move> {
        let mut moves = Vec::new();
        for (index, buyer) in self.buyers.iter().enumerate() {
            match (&buyer.hold, &buyer.payment) {
                // The buyers differ in nothing before one of them holds the seat: the first one is the first.
                (None, _) if index == 0 || self.buyers[0].hold.is_some() => {
                    let taken = point.buyers.iter().any(|(held, ..)| {
                        matches!(held, Some(ReservationState::Active | ReservationState::Confirmed))
                    });
                    moves.extend((!taken).then_some(Move::Hold(index)));
                }
                (Some(_), None) if !buyer.refused => moves.push(Move::Pay(index)),
                (Some(_), Some(payment)) if buyer.dead || payment.state.step().is_some_and(is_apart) => {
                    return self.moves_of(index, payment);
                }
                (Some(_), Some(payment)) => moves.extend(self.moves_of(index, payment)),
                _ => {}
            }
        }
        let unpaid = point.buyers.iter().any(|(held, ..)| *held == Some(ReservationState::Active));
        moves.extend((unpaid && !self.expired).then_some(Move::Expire));
        moves
    }

    async fn carry_out(&mut self, what: Move) {
        let (service, cinema) = (self.service, self.cinema);
        match what {
            Move::Hold(index) => {
                let buyer = &mut self.buyers[index];
                buyer.hold = Some(cinema.hold_the_seat(&buyer.caller, &self.showtime).await.unwrap());
            }
            Move::Pay(index) => {
                let buyer = &mut self.buyers[index];
                let hold = buyer.hold.as_ref().unwrap();
                let bill = ChargeRequest {
                    reservation_id: hold.id.clone(),
                    amount: hold.total.clone(),
                    payment_token: buyer.token.to_owned(),
                    request_id: "charge".to_owned(),
                };
                let charge = read_charge(&buyer.caller, &bill).unwrap();
                buyer.payment = service.begin(buyer.caller.user().unwrap().id, &charge).await.ok();
                buyer.refused = buyer.payment.is_none();
            }
            Move::Step(index) => {
                let payment = self.buyers[index].payment.as_mut().unwrap();
                *payment = service.checkout.saga().step(payment).await.unwrap();
            }
            Move::DieBefore(index) | Move::DieAfter(index) => {
                self.buyers[index].dead = true;
                let payment = self.buyers[index].payment.as_ref().unwrap();
                self.died = Some((what, payment.state));
                if let (Move::DieAfter(_), Some(step)) = (what, payment.state.step()) {
                    // Of what is refused there is no effect to have had.
                    let _ = service.checkout.saga().perform(step.action, payment).await;
                }
            }
            Move::TakeOver(index) => {
                cinema.clock.advance(LEASE);
                let buyer = &mut self.buyers[index];
                let leases = service.store.leases(Kind::Checkout);
                let id = buyer.payment.as_ref().unwrap().id.uuid();
                let row = leases.claim(id, cinema.clock.now()).await.unwrap().unwrap();
                buyer.payment = Some(Payment::read(&row).unwrap());
                buyer.dead = false;
            }
            Move::Expire => {
                cinema.clock.advance(SignedDuration::from_mins(11));
                self.expired = true;
            }
        }
    }
}

/// Whether the other buyer has nothing to do with a step.
fn is_apart(step: Step) -> bool {
    match step.action {
        Action::ConfirmSeats | Action::FreeSeats | Action::OfferSeats | Action::AwaitBuyer => false,
        Action::Authorise
        | Action::Capture
        | Action::VoidExchanged
        | Action::IssueTickets
        | Action::Void
        | Action::Repay
        | Action::FindAuthorisation
        | Action::FindCapture
        | Action::VoidTickets => true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_order_the_seat_is_sold_once_and_the_money_is_right() {
    let cinema = Cinema::open().await;
    let payments = TestDb::sqlite(&crate::MIGRATIONS).await;
    let bank = TestDb::sqlite(&moviebooking_sandbox_bank::MIGRATIONS).await;
    let service = service(payments.db(), bank.db(), &cinema.clock, &cinema.addresses);
    for tokens in [["tok_approve", "tok_approve"], ["tok_capture_fails", "tok_approve"]] {
        let mut known: HashSet<Point> = HashSet::new();
        let mut orders: Vec<Vec<Move>> = vec![Vec::new()];
        let mut made = Vec::new();
        while let Some(order) = orders.pop() {
            let mut run = Run::new(&cinema, &service, tokens).await;
            let mut done = Vec::new();
            for what in order {
                run.carry_out(what).await;
                done.push(what);
            }
            loop {
                let point = run.point().await;
                let mut moves = run.moves(&point);
                if !known.insert(point) {
                    break;
                }
                let Some(next) = moves.pop() else { break };
                orders.extend(moves.into_iter().map(|other| [done.as_slice(), &[other]].concat()));
                run.carry_out(next).await;
                done.push(next);
            }
            for _ in 0..10 {
                cinema.clock.advance(LEASE);
                service.tick().await.unwrap();
            }
            assert_eq!(unfinished(payments.db()).await.unwrap(), [], "{done:?}");
            let ids = run.buyers.each_ref().map(|buyer| buyer.payment.as_ref().map(|payment| payment.id));
            made.push((ids, done));
        }
        assert!(known.len() > 50, "{} points", known.len());
        check(&cinema, &payments, &bank, &made).await;
    }
}
