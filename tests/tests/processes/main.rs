//! The whole platform over real sockets, as processes on PostgreSQL: what one process is tested with.

#[cfg(test)]
#[path = "../system/authorisation/mod.rs"]
mod authorisation;
#[cfg(test)]
mod backup;
#[cfg(test)]
#[path = "../system/bad_input.rs"]
mod bad_input;
#[cfg(test)]
#[path = "../system/booking.rs"]
mod booking;
#[cfg(test)]
#[path = "../system/paying.rs"]
mod paying;
#[cfg(test)]
mod provider_webhooks;
#[cfg(test)]
#[path = "../system/webhooks.rs"]
mod webhooks;

/// The platform under test.
#[cfg(test)]
fn system() -> &'static moviebooking_tests::System {
    moviebooking_tests::System::processes()
}
