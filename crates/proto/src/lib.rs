//! Messages, clients, servers and the descriptor set of every service, and the one table of error reasons.
//!
//! Everything below the service modules is generated from `proto/` at build time; the `.proto` files are the
//! documentation of each message and RPC.

pub mod access;
pub mod comments;
pub mod event;
pub mod json;
pub mod problem;
pub mod reason;

pub use problem::Problem;
pub use reason::Reason;

/// The encoded `FileDescriptorSet` of every `.proto` file, with its options and imports.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($($(#[$doc:meta])* $module:ident = $package:literal, without $($lint:path),+;)*) => {$(
        $(#[$doc])*
        pub mod $module {
            #[expect($($lint),+, reason = "generated: the .proto file is its documentation")]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    )*};
}

/// The generated code, by package as protobuf nests it.
pub mod moviebooking {
    generated! {
        /// Who may call an RPC.
        access = "moviebooking.access.v1", without missing_docs;
        /// Events, as services hand them to each other.
        events = "moviebooking.events.v1", without missing_docs;
        /// Amounts of money.
        money = "moviebooking.money.v1", without missing_docs;
        /// Accounts, sessions and roles.
        users = "moviebooking.users.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
        /// The catalogue and showtimes.
        movies = "moviebooking.movies.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
        /// Theaters, halls and seat layouts.
        theaters = "moviebooking.theaters.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
        /// Holds and sales of seats.
        reservations = "moviebooking.reservations.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
        /// Payments and refunds.
        payments = "moviebooking.payments.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
        /// Issued tickets.
        tickets = "moviebooking.tickets.v1", without missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason;
    }
}
pub use moviebooking::{events, money, movies, payments, reservations, theaters, tickets, users};

/// The part of Google's API annotations that is used.
pub mod google {
    #[expect(missing_docs, reason = "generated: the .proto file is its documentation")]
    pub mod api {
        tonic::include_proto!("google.api");
    }
}
