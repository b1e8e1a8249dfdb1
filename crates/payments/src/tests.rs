//! The service with its neighbours across the network and a bank that can be made to fail.

mod bank;
mod charges;
mod confirmations;
mod crashes;
mod disturb;
mod faults;
mod late;
mod neighbours;
mod parking;
mod reading;
mod refunds;
mod storage;
mod telling;
mod webhooks;
mod world;

pub(crate) use disturb::disturbed;
