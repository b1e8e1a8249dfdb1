//! Messages, clients, servers and the descriptor set of every service, and the one table of error reasons.
//!
//! Everything below the service modules is generated from `proto/` at build time; the `.proto` files are the
//! documentation of each message and RPC.

pub mod access;
pub mod problem;
pub mod reason;

pub use problem::Problem;
pub use reason::Reason;

/// The encoded `FileDescriptorSet` of every `.proto` file, with its options and imports.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($($(#[$doc:meta])* $module:ident = $package:literal;)*) => {$(
        $(#[$doc])*
        pub mod $module {
            #[expect(missing_docs, clippy::all, clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated: the .proto file is its documentation")]
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
        access = "moviebooking.access.v1";
        /// Amounts of money.
        money = "moviebooking.money.v1";
        /// Accounts, sessions and roles.
        users = "moviebooking.users.v1";
        /// The catalogue and showtimes.
        movies = "moviebooking.movies.v1";
        /// Theaters, halls and seat layouts.
        theaters = "moviebooking.theaters.v1";
        /// Holds and sales of seats.
        reservations = "moviebooking.reservations.v1";
        /// Payments and refunds.
        payments = "moviebooking.payments.v1";
        /// Issued tickets.
        tickets = "moviebooking.tickets.v1";
    }
}
pub use moviebooking::{money, movies, payments, reservations, theaters, tickets, users};

/// The part of Google's API annotations that is used.
pub mod google {
    #[expect(missing_docs, clippy::all, clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated: the .proto file is its documentation")]
    pub mod api {
        tonic::include_proto!("google.api");
    }
}
