//! The service with its neighbours across the network and a bank that can be made to fail.

mod bank;
mod cancelled;
mod charges;
mod cinema;
mod confirmations;
mod crashes;
mod disturb;
mod exchanging;
mod faults;
mod kills;
mod late;
mod ledger;
mod neighbours;
mod parking;
mod reading;
mod refunds;
mod returns;
mod steps;
mod storage;
mod telling;
mod two_buyers;
mod webhooks;
mod world;

pub(crate) use disturb::disturbed;
