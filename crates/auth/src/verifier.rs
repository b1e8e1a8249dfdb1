//! From the `authorization` header to the caller, once per token: what was verified is remembered until it expires.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use moviebooking_domain::clock::SharedClock;
use moviebooking_proto::{Problem, Reason};
use tonic::Status;

use crate::{Caller, Keys, ServiceSecret, access_token};

/// Verified tokens that are remembered: a bound on memory, some 10 MB.
const MOST_REMEMBERED: u64 = 20_000;
/// Longer tokens are refused unread. Staff of 100 theaters need some 6 kB.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Verifies the tokens of requests to one service. Clone it freely.
#[derive(Clone)]
pub struct Verifier {
    audience: &'static str,
    keys: Arc<Keys>,
    secret: Option<ServiceSecret>,
    clock: SharedClock,
    remembered: Cache<Box<str>, Verified>,
}

/// What a token was found to be.
#[derive(Clone)]
struct Verified {
    caller: Caller,
    expires: Timestamp,
    /// [`Keys::withdrawals`] at the time.
    withdrawals: u64,
}

impl Verifier {
    /// A verifier for the service `audience` ("reservations"). Without a secret no service tokens are taken, as at the
    /// gateway.
    pub fn new(
        audience: &'static str,
        keys: Arc<Keys>,
        secret: Option<ServiceSecret>,
        clock: SharedClock,
    ) -> Self {
        Self { audience, keys, secret, clock, remembered: Cache::new(MOST_REMEMBERED) }
    }

    /// The caller, if the token was verified before, is still valid, and no key has been withdrawn since.
    pub fn remembered(&self, token: &str) -> Option<Caller> {
        let verified = self.remembered.get(token)?;
        if self.clock.now() < verified.expires && verified.withdrawals == self.keys.withdrawals() {
            return Some(verified.caller);
        }
        self.remembered.invalidate(token);
        None
    }

    /// The caller that a token speaks for.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for a token that is not ours, not for us or no longer valid; UNAVAILABLE when the keys to tell
    /// cannot be had.
    pub async fn verify(&self, token: &str) -> Result<Caller, Status> {
        if let Some(caller) = self.remembered(token) {
            return Ok(caller);
        }
        if token.len() > LONGEST_TOKEN {
            return Err(invalid_token().into());
        }
        let withdrawals = self.keys.withdrawals();
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid_token())?;
        let verified = match (header.alg, &self.secret) {
            (Algorithm::HS256, Some(secret)) => {
                secret.verify(token, self.audience).map(|(name, expires)| (Caller::Service(name), expires))
            }
            (Algorithm::EdDSA, _) => match self.keys.get(header.kid.as_deref().unwrap_or_default()).await? {
                Some(key) => access_token::verify(token, &key).map(|user| {
                    let expires = user.expire_time;
                    (Caller::User(user), expires)
                }),
                None => None,
            },
            _ => None,
        };
        let (caller, expires) = verified.ok_or_else(invalid_token)?;
        if self.clock.now() >= expires {
            return Err(invalid_token().into());
        }
        self.remembered.insert(token.into(), Verified { caller: caller.clone(), expires, withdrawals });
        Ok(caller)
    }

    /// Whether tokens can be verified: what readiness asks.
    ///
    /// # Errors
    /// When no keys are known and `users` cannot be asked for them.
    pub async fn ready(&self) -> Result<(), Status> {
        self.keys.ready().await
    }
}

fn invalid_token() -> Problem {
    Problem::new(
        Reason::InvalidToken,
        "The access token is not valid or has expired: refresh it or sign in again.",
    )
}
