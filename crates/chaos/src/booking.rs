//! One booking, from the seats to the tickets, with what buyers do on the way.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::time::sleep;
use uuid::Builder;

use crate::{
    answers::Reply,
    ask::{Order, Over, Request, Slot},
    buyer::Buyer,
    kinds::{Kind, Outcome},
    processes::HOLD,
    tokens::any_token,
    world::World,
};

/// Of bookings, how many are over gRPC.
const OVER_GRPC: f64 = 0.25;
/// How many pay when their hold is about to end, and of those, how many find that somebody else wants the seats.
const LATE: (f64, f64) = (0.02, 0.5);
/// How much is then left of the hold: less than the bank takes.
const LEFT: Duration = Duration::from_secs(1);
/// How many who hold seats change their mind, and how many do so while they pay.
const LET_GO: (f64, f64) = (0.05, 0.01);
/// How many whose card was declined try another.
const PAY_AGAIN: f64 = 0.6;
/// How many who are asked to confirm a payment do.
const APPROVED: f64 = 0.8;
/// What becomes of a hundred paid bookings; nothing of all others. Refunds are by staff, returns by buyers for a fee.
const AFTERWARDS: [(After, u32); 5] = [
    (After::Keep, 76),
    (After::Refund, 7),
    (After::Return, 7),
    (After::Exchange, 7),
    (After::ExchangeAndReturn, 3),
];

/// What becomes of a paid booking.
#[derive(Clone, Copy)]
enum After {
    Keep,
    Refund,
    Return,
    Exchange,
    ExchangeAndReturn,
}

/// One booking under way.
struct Booking<'a> {
    world: &'a World,
    dice: StdRng,
    buyer: Arc<Buyer>,
    over: Over,
    slot: Slot,
}

/// Books, and says how it ended. `number` is the booking's, and with `seed` decides what the buyer does; who is
/// `punctual` does not pay late.
pub(crate) async fn book(world: &World, seed: u64, number: u64, punctual: bool, slot: Slot) -> Outcome {
    let mut dice = StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
    let buyer = world.any_buyer(&mut dice);
    let over = if dice.random_bool(OVER_GRPC) { Over::Grpc } else { Over::Rest };
    let late = dice.random_bool(LATE.0) && !punctual;
    let booking = Booking { world, dice, buyer, over, slot };
    let ended = if late { booking.pay_late().await } else { booking.run().await };
    ended.unwrap_or(Outcome::Unanswered)
}

impl Booking<'_> {
    /// `None` when the platform has not answered in the end.
    async fn run(mut self) -> Option<Outcome> {
        let (showtime, seats, count) = self.world.any_seats(&mut self.dice);
        let held = self.ask(Kind::Hold, Order::Hold { showtime, seats, count }).await?;
        if !held.ok {
            return Some(not_held(&held));
        }
        let (before, meanwhile) = LET_GO;
        let change_of_mind = self.dice.random::<f64>();
        if change_of_mind < before {
            return self.let_go(&held).await;
        }
        let token = any_token(&mut self.dice);
        let mut paid = if change_of_mind < before + meanwhile {
            let release = self.request(Kind::Release, Order::Release { reservation: held.id.clone() });
            let charge = self.bill(&held, token);
            self.ask_both(charge, release).await?
        } else {
            self.charge(&held, token).await?
        };
        if paid.reason == "PAYMENT_DECLINED" {
            if !self.dice.random_bool(PAY_AGAIN) {
                self.release(&held).await?;
                return Some(Outcome::Declined);
            }
            paid = self.charge(&held, "tok_approve").await?;
        }
        if paid.ok { self.afterwards(&paid).await } else { Some(not_paid(&paid)) }
    }

    /// Pays at the last moment, with a card whose bank is down for longer than that.
    async fn pay_late(mut self) -> Option<Outcome> {
        let (showtime, seats) = self.world.any_pair(&mut self.dice);
        let hold = Order::Hold { showtime, seats, count: 2 };
        let held = self.ask(Kind::Hold, hold.clone()).await?;
        if !held.ok {
            return Some(not_held(&held));
        }
        self.slot = None;
        sleep(HOLD - LEFT).await;
        let charge = self.bill(&held, "tok_down_3");
        let paid = if self.dice.random_bool(LATE.1) {
            let mut rival = self.request(Kind::Hold, hold);
            rival.buyer = self.world.any_buyer(&mut self.dice);
            self.ask_both(charge, rival).await?
        } else {
            self.ask_for(&charge).await?
        };
        Some(if paid.ok { Outcome::PaidLate } else { not_paid(&paid) })
    }

    async fn let_go(&mut self, held: &Reply) -> Option<Outcome> {
        // Half of them just go away.
        if self.dice.random_bool(0.5) {
            self.release(held).await?;
        }
        Some(Outcome::LetGo)
    }

    async fn release(&mut self, held: &Reply) -> Option<Reply> {
        self.ask(Kind::Release, Order::Release { reservation: held.id.clone() }).await
    }

    async fn charge(&mut self, held: &Reply, token: &'static str) -> Option<Reply> {
        let bill = self.bill(held, token);
        self.ask_for(&bill).await
    }

    fn bill(&mut self, held: &Reply, token: &'static str) -> Request {
        let approves = self.dice.random_bool(APPROVED);
        let (reservation, total) = (held.id.clone(), held.total.clone());
        self.request(Kind::Charge, Order::Charge { reservation, total, token, approves })
    }

    async fn afterwards(&mut self, paid: &Reply) -> Option<Outcome> {
        let after = AFTERWARDS.choose_weighted(&mut self.dice, |(_, weight)| *weight);
        self.carry_out(after.map_or(After::Keep, |(after, _)| *after), paid).await
    }

    async fn carry_out(&mut self, after: After, paid: &Reply) -> Option<Outcome> {
        match after {
            After::Keep => Some(Outcome::Paid),
            After::Refund => {
                self.buyer = self.world.admin();
                self.give_back(paid, Outcome::Refunded).await
            }
            After::Return => self.give_back(paid, Outcome::Returned).await,
            After::Exchange | After::ExchangeAndReturn => {
                let Some(exchanged) = self.exchange(paid).await? else { return Some(Outcome::Paid) };
                if matches!(after, After::Exchange) {
                    return Some(Outcome::Exchanged);
                }
                self.give_back(&exchanged, Outcome::ExchangedAndReturned).await
            }
        }
    }

    /// Gives one ticket back, or all.
    async fn give_back(&mut self, paid: &Reply, outcome: Outcome) -> Option<Outcome> {
        let one = self.dice.random_bool(0.5);
        let tickets = paid.tickets.iter().take(usize::from(one)).cloned().collect();
        let refunded = self.ask(Kind::Refund, Order::Refund { payment: paid.id.clone(), tickets }).await?;
        Some(if refunded.ok { outcome } else { Outcome::Paid })
    }

    /// Gives one ticket or all for new seats, which may cost more or less. Gives nothing where the old ones are kept.
    async fn exchange(&mut self, paid: &Reply) -> Option<Option<Reply>> {
        let (showtime, seats, count) = self.world.any_seats(&mut self.dice);
        let held = self.ask(Kind::Hold, Order::Hold { showtime, seats, count }).await?;
        if !held.ok {
            return Some(None);
        }
        let one = self.dice.random_bool(0.5);
        let count = if one { 1 } else { paid.tickets.len() };
        let tickets: Vec<String> = paid.tickets.iter().take(count).cloned().collect();
        let price = paid.total.0 / i64::try_from(paid.tickets.len().max(1)).unwrap_or(1);
        let worth = price * i64::try_from(count).unwrap_or(0);
        let more = (held.total.0 - worth).max(0);
        let order = Order::Exchange {
            payment: paid.id.clone(),
            tickets,
            reservation: held.id.clone(),
            total: (more, held.total.1.clone()),
            token: any_token(&mut self.dice),
            approves: self.dice.random_bool(APPROVED),
        };
        let exchanged = self.ask(Kind::Exchange, order).await?;
        Some(exchanged.ok.then_some(exchanged))
    }

    async fn ask(&mut self, kind: Kind, order: Order) -> Option<Reply> {
        let request = self.request(kind, order);
        self.ask_for(&request).await
    }

    async fn ask_for(&mut self, request: &Request) -> Option<Reply> {
        self.world.desk.ask(request, &mut self.dice, &mut self.slot).await
    }

    /// Asks for both at once, and answers the first.
    async fn ask_both(&mut self, first: Request, other: Request) -> Option<Reply> {
        let world = self.world;
        let (mut dice, mut no_slot) = (StdRng::from_rng(&mut self.dice), None);
        let other = world.desk.ask(&other, &mut dice, &mut no_slot);
        let (answer, _other) = tokio::join!(self.ask_for(&first), other);
        answer
    }

    fn request(&mut self, kind: Kind, order: Order) -> Request {
        let key = Builder::from_random_bytes(self.dice.random()).into_uuid().to_string();
        Request { kind, key, buyer: Arc::clone(&self.buyer), over: self.over, order }
    }
}

fn not_held(refused: &Reply) -> Outcome {
    if refused.reason == "SHOWTIME_CANCELLED" { Outcome::Cancelled } else { Outcome::NoSeats }
}

fn not_paid(refused: &Reply) -> Outcome {
    match refused.reason.as_str() {
        "PAYMENT_DECLINED" => Outcome::Declined,
        "PAYMENT_VOIDED" => Outcome::Voided,
        // Before anything was paid.
        _ => Outcome::LetGo,
    }
}
