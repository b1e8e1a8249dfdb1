//! The bank over HTTP, as a merchant and a buyer meet it.

mod http;
mod webhooks;
mod world;
