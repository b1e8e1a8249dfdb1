//! The campaign: buyers book as fast as they can while processes are killed, paused and started again; afterwards
//! everything that the databases, the bank and the buyers' own notes say must fit together.
//!
//! It knows the platform from outside: the gateway's REST and gRPC, the processes as an operator has them, and, once
//! all is over, the databases.

mod answers;
mod ask;
mod booking;
mod buyer;
mod campaign;
mod check;
mod kinds;
mod mayhem;
mod processes;
mod report;
mod settle;
mod stream;
mod tokens;
mod world;

pub use campaign::{Options, run};
pub use report::Report;
