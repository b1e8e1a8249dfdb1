//! One booking, from the seats to the tickets, with what buyers do on the way.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use uuid::Builder;

use crate::{
    answers::Reply,
    ask::{Order, Over, Request, Slot},
    buyer::Buyer,
    kinds::{Kind, Outcome},
    world::World,
};

/// The sandbox's tokens, and how many of a hundred bookings are paid with each.
const TOKENS: [(&str, u32); 9] = [
    ("tok_approve", 72),
    ("tok_insufficient_funds", 4),
    ("tok_expired_card", 3),
    ("tok_fraud", 3),
    ("tok_timeout_before_effect", 4),
    ("tok_timeout_after_effect", 4),
    ("tok_reply_lost", 5),
    ("tok_slow", 1),
    ("tok_capture_fails", 4),
];
/// Of bookings, how many are over gRPC.
const OVER_GRPC: f64 = 0.25;
/// How many who hold seats change their mind.
const LET_GO: f64 = 0.05;
/// How many whose card was declined try another.
const PAY_AGAIN: f64 = 0.6;
/// How many of the paid are refunded, in full and in part.
const REFUNDED: (f64, f64) = (0.05, 0.05);

/// One booking under way.
struct Booking<'a> {
    world: &'a World,
    dice: StdRng,
    buyer: Arc<Buyer>,
    over: Over,
    slot: Slot,
}

/// Books, and says how it ended. `number` is the booking's, and with `seed` decides what the buyer does.
pub(crate) async fn book(world: &World, seed: u64, number: u64, slot: Slot) -> Outcome {
    let mut dice = StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
    let buyer = world.any_buyer(&mut dice);
    let over = if dice.random_bool(OVER_GRPC) { Over::Grpc } else { Over::Rest };
    Booking { world, dice, buyer, over, slot }.run().await.unwrap_or(Outcome::Unanswered)
}

impl Booking<'_> {
    /// `None` when the platform has not answered in the end.
    async fn run(mut self) -> Option<Outcome> {
        let (showtime, seats, count) = self.world.any_seats(&mut self.dice);
        let held = self.ask(Kind::Hold, Order::Hold { showtime, seats, count }).await?;
        if !held.ok {
            return Some(Outcome::NoSeats);
        }
        if self.dice.random_bool(LET_GO) {
            return self.let_go(&held).await;
        }
        let token = self.any_token();
        let mut paid = self.charge(&held, token).await?;
        if paid.reason == "PAYMENT_DECLINED" {
            if !self.dice.random_bool(PAY_AGAIN) {
                self.release(&held).await?;
                return Some(Outcome::Declined);
            }
            paid = self.charge(&held, "tok_approve").await?;
        }
        if !paid.ok {
            return Some(if paid.reason == "PAYMENT_DECLINED" { Outcome::Declined } else { Outcome::Voided });
        }
        self.refund(&paid).await
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
        let order = Order::Charge { reservation: held.id.clone(), total: held.total.clone(), token };
        self.ask(Kind::Charge, order).await
    }

    async fn refund(&mut self, paid: &Reply) -> Option<Outcome> {
        let chance = self.dice.random::<f64>();
        let (in_full, in_part) = REFUNDED;
        let one = paid.tickets.len() > 1 && chance < in_full + in_part;
        let tickets = match paid.tickets.first() {
            _ if chance < in_full => Vec::new(),
            Some(first) if one => vec![first.clone()],
            _ => return Some(Outcome::Paid),
        };
        let outcome = if tickets.is_empty() { Outcome::Refunded } else { Outcome::PartlyRefunded };
        self.buyer = self.world.admin();
        let refunded = self.ask(Kind::Refund, Order::Refund { payment: paid.id.clone(), tickets }).await?;
        Some(if refunded.ok { outcome } else { Outcome::Paid })
    }

    async fn ask(&mut self, kind: Kind, order: Order) -> Option<Reply> {
        let key = self.key();
        let request = Request { kind, key, buyer: Arc::clone(&self.buyer), over: self.over, order };
        self.world.desk.ask(&request, &mut self.dice, &mut self.slot).await
    }

    fn key(&mut self) -> String {
        Builder::from_random_bytes(self.dice.random()).into_uuid().to_string()
    }

    fn any_token(&mut self) -> &'static str {
        let all: u32 = TOKENS.iter().map(|(_, weight)| weight).sum();
        let mut chosen = self.dice.random_range(0..all);
        for (token, weight) in TOKENS {
            if chosen < weight {
                return token;
            }
            chosen -= weight;
        }
        TOKENS[0].0
    }
}
