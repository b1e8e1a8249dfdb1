//! The secret that bank and merchant share.

use std::fmt;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// The header with a webhook's signature: `t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`.
pub const SIGNATURE_HEADER: &str = "sandbox-signature";

/// The fewest bytes of a secret.
const SHORTEST: usize = 16;

/// What the merchant shows in every request; webhooks are signed with a key that is made from it.
#[derive(Clone)]
pub struct BankSecret(SecretString);

/// The secret can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretTooShort;

impl fmt::Display for SecretTooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use at least {SHORTEST} random bytes")
    }
}

impl std::error::Error for SecretTooShort {}

impl BankSecret {
    /// A secret that was chosen.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(text: SecretString) -> Result<Self, SecretTooShort> {
        if text.expose_secret().len() < SHORTEST { Err(SecretTooShort) } else { Ok(Self(text)) }
    }

    /// One that nobody knows, for a bank within the merchant's own process.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// What the merchant shows: `Authorization: Bearer …`.
    pub fn bearer(&self) -> SecretString {
        format!("Bearer {}", self.0.expose_secret()).into()
    }

    /// The key of the webhooks' signatures.
    pub fn webhook_key(&self) -> SecretString {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes());
        hex::encode(hmac::sign(&key, b"webhooks").as_ref()).into()
    }

    /// Whether a request shows it.
    pub(crate) fn is_shown(&self, header: Option<&[u8]>) -> bool {
        let expected = self.bearer();
        header.is_some_and(|given| given.ct_eq(expected.expose_secret().as_bytes()).into())
    }

    /// The value of [`SIGNATURE_HEADER`] for a body that is sent now.
    pub fn sign(&self, body: &str, now: Timestamp) -> String {
        let time = now.as_second();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.webhook_key().expose_secret().as_bytes());
        let signature = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        format!("t={time},v1={}", hex::encode(signature.as_ref()))
    }
}

impl fmt::Debug for BankSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BankSecret")
    }
}
