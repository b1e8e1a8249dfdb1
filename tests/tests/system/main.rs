//! The whole platform over real sockets: one process, the demo cinema, all three protocols.

#[cfg(test)]
mod authorisation;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod booking;
#[cfg(test)]
mod check;
#[cfg(test)]
mod grpc_web;
#[cfg(test)]
mod late_money;
#[cfg(test)]
mod paying;
#[cfg(test)]
mod returns;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod ticket;
#[cfg(test)]
mod webhooks;

/// The platform under test.
#[cfg(test)]
fn system() -> &'static moviebooking_tests::System {
    moviebooking_tests::System::one_process()
}
