//! Ids, money, time and the rules of seat layouts: pure, no I/O.

pub mod clock;
pub mod id;
pub mod layout;
pub mod money;
pub mod refund;
pub mod seating;
