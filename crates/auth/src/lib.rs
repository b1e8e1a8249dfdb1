//! Issues and verifies tokens; the caller of a request; the tower layer that decides who may call what.
//!
//! Two kinds of token exist. People carry access tokens: JWTs signed with Ed25519 by `users`, whose public keys every
//! process fetches from `users` and keeps. Services carry service tokens: JWTs of a minute, made with the secret that
//! the platform's services share, each for one receiving service. [`protect`] puts the check before a service's RPCs:
//! it reads the rule of each RPC from the descriptor set, refuses who may not call it, and leaves a [`Caller`] in the
//! request for the handler, who decides ownership.

mod access_token;
mod caller;
mod keys;
mod layer;
mod service_secret;
mod service_token;
#[cfg(test)]
mod tests;
mod verifier;

pub use access_token::{ACCESS_TOKEN_LIFETIME, SigningKey, SigningKeyError};
pub use caller::{Caller, User};
pub use keys::{Keys, KeysFromUsers};
pub use layer::{authorise, protect};
pub use service_secret::{ServiceSecret, ServiceSecretError, ServiceSecrets};
pub use service_token::{ServiceCredentials, ServiceLink};
pub use verifier::Verifier;
