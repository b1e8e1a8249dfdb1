//! Refresh tokens: 256 random bits, of which the database sees a digest alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretBox, zeroize::Zeroize as _};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// How long a refresh token can be traded.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const BYTES: usize = 32;

/// What a client trades for a new session.
pub(crate) struct RefreshToken(SecretBox<[u8; BYTES]>);

impl RefreshToken {
    /// A new one.
    pub(crate) fn random() -> Self {
        let mut bytes: [u8; BYTES] = rand::random();
        let token = Self(SecretBox::new(Box::new(bytes)));
        bytes.zeroize();
        token
    }

    /// One that a client sent.
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`] for what we cannot have made.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Self(SecretBox::new(Box::new(bytes)))).ok_or(Error::InvalidRefreshToken)
    }

    /// For the client, once.
    pub(crate) fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose_secret())
    }

    /// For the database. The token is random, so that a plain digest cannot be guessed back.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }

    /// When a token made `now` expires.
    pub(crate) fn expire_time(now: Timestamp) -> Timestamp {
        now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = RefreshToken::random();
        assert_eq!(RefreshToken::parse(&token.reveal()).unwrap().digest(), token.digest());
        assert_ne!(RefreshToken::random().digest(), token.digest());
    }

    #[test]
    fn what_we_cannot_have_made_is_refused() {
        let good = RefreshToken::random().reveal();
        for bad in ["x", "%%%", &good[1..], &format!("{good}A"), &format!("{good}="), &"A".repeat(100_000)] {
            assert!(matches!(RefreshToken::parse(bad), Err(Error::InvalidRefreshToken)));
        }
    }
}
