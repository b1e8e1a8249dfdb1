//! The bank over HTTP, as a merchant and a buyer meet it.

#[cfg(test)]
mod http;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod world;
