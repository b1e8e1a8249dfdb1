//! The secret that the platform's services share to know each other by, and its successors.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::Error};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// `iss` of service tokens.
const ISSUER: &str = "moviebooking-service";
const LEAST_BYTES: usize = 32;
/// So many are enough to go from one to the next, and few enough to try them all.
const MOST: usize = 5;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
}

/// The text holds no secrets that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceSecretError {
    /// One of them is too short to be one.
    #[error("use at least {LEAST_BYTES} random bytes, for example from `openssl rand -hex 32`")]
    Short,
    /// There are more than anybody needs.
    #[error("give at most {MOST} secrets, one per line: the first makes tokens, all of them verify")]
    Many,
}

/// The secrets of a platform at one time: the first makes tokens, and all of them verify, so that every service can
/// learn a new one before any uses it.
pub struct ServiceSecrets(Vec<Keys>);

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl ServiceSecrets {
    /// The secrets of a configured text, one per line; spaces around them and empty lines do not count.
    ///
    /// # Errors
    /// When there is none, one is shorter than 32 bytes, or there are more than five.
    pub fn parse(text: &[u8]) -> Result<Self, ServiceSecretError> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let secrets: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        if secrets.is_empty() || secrets.iter().any(|secret| secret.len() < LEAST_BYTES) {
            return Err(ServiceSecretError::Short);
        }
        if secrets.len() > MOST {
            return Err(ServiceSecretError::Many);
        }
        Ok(Self(secrets.into_iter().map(Keys::new).collect()))
    }

    /// A token of the service `name` for `audience` until the second `expires`.
    pub(crate) fn sign(&self, name: &str, audience: &str, expires: i64) -> Result<String, Error> {
        let claims =
            Claims { iss: ISSUER.to_owned(), sub: name.to_owned(), aud: audience.to_owned(), exp: expires };
        let first = self.0.first().ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &first.encoding)
    }
}

impl Keys {
    fn new(secret: &[u8]) -> Self {
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) }
    }
}

/// What the services of a platform know each other by, as it is now; a clone is a handle on the same.
#[derive(Clone)]
pub struct ServiceSecret(watch::Receiver<Arc<ServiceSecrets>>);

impl ServiceSecret {
    /// What `secrets` has at each time.
    pub fn following(secrets: watch::Receiver<Arc<ServiceSecrets>>) -> Self {
        Self(secrets)
    }

    /// A random secret, for services of one process.
    pub fn random() -> Self {
        let secret: [u8; LEAST_BYTES] = rand::random();
        Self(watch::channel(Arc::new(ServiceSecrets(vec![Keys::new(&secret)]))).1)
    }

    /// The secrets as they are now.
    pub(crate) fn current(&self) -> Arc<ServiceSecrets> {
        Arc::clone(&self.0.borrow())
    }

    /// The service that made the token for `audience`, and until when it is valid.
    pub(crate) fn verify(&self, token: &str, audience: &str) -> Option<(Arc<str>, Timestamp)> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // The injected clock decides, not the library's.
        validation.validate_exp = false;
        let secrets = self.current();
        let claims = secrets
            .0
            .iter()
            .find_map(|keys| jsonwebtoken::decode::<Claims>(token, &keys.decoding, &validation).ok())?
            .claims;
        Some((claims.sub.into(), Timestamp::from_second(claims.exp).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fill: u8) -> String {
        char::from(fill).to_string().repeat(LEAST_BYTES)
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let (sender, receiver) =
            watch::channel(Arc::new(ServiceSecrets::parse(secret(b'a').as_bytes()).unwrap()));
        let ours = ServiceSecret::following(receiver);
        let change =
            |text: String| _ = sender.send_replace(Arc::new(ServiceSecrets::parse(text.as_bytes()).unwrap()));
        let by_old = ours.current().sign("payments", "tickets", 60).unwrap();
        change(format!("{}\n{}\n", secret(b'b'), secret(b'a')));
        assert!(ours.verify(&by_old, "tickets").is_some());
        let by_new = ours.current().sign("payments", "tickets", 60).unwrap();
        change(secret(b'b'));
        assert_eq!(ours.verify(&by_old, "tickets"), None);
        assert_eq!(&*ours.verify(&by_new, "tickets").unwrap().0, "payments");
        assert_eq!(ours.verify(&by_new, "movies"), None);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let parse = |text: &str| ServiceSecrets::parse(text.as_bytes()).err();
        let good = secret(b'a');
        assert_eq!(parse(&format!("\n {good} \r\n")), None);
        assert_eq!(parse(""), Some(ServiceSecretError::Short));
        assert_eq!(parse(&format!("{good}\nshort")), Some(ServiceSecretError::Short));
        assert_eq!(parse(&format!("{good}\n").repeat(MOST)), None);
        assert_eq!(parse(&format!("{good}\n").repeat(MOST + 1)), Some(ServiceSecretError::Many));
    }
}
