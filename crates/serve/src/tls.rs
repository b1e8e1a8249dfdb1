//! TLS (1.2 and 1.3) for servers and links, with certificates from files.
//!
//! The files are looked at every two seconds. When what they hold has changed, new connections use it, and those
//! that are open go on with what they began with. Files that cannot be used (unreadable, or a key that belongs to
//! another certificate, as while they are being replaced) are reported and what was there is kept. At the start they
//! end the process with one line and exit code 78.
//!
//! A server without a certificate listens on loopback addresses alone, unless it is told that plain text is meant:
//! see [`TlsArgs::server`]. A link's plain text is in its address, `http://`.

mod client;
mod pem;
mod server;

pub use client::{ClientTls, UpstreamTlsArgs};
pub use server::{ServerTls, TlsArgs};
