//! Secrets and signatures (Standard Webhooks, "Symmetric signatures").

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::webhook::Webhook;

/// What a secret begins with, so that people and scanners know one.
const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
pub(super) fn random() -> SecretString {
    format!("{PREFIX}{}", STANDARD.encode(rand::random::<[u8; 32]>())).into()
}

/// The header `webhook-signature`: one signature for each secret that is in use.
pub(super) fn signatures(webhook: &Webhook, message_id: &str, now: Timestamp, payload: &str) -> String {
    let old = webhook.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
    let secrets = std::iter::once(&webhook.secret).chain(old);
    let sign = |secret| sign(secret, message_id, now.as_second(), payload);
    secrets.filter_map(sign).collect::<Vec<_>>().join(" ")
}

/// `v1,` and the base64 of the HMAC-SHA256 over id, time and payload, parted by dots.
fn sign(secret: &SecretString, message_id: &str, seconds: i64, payload: &str) -> Option<String> {
    let key = STANDARD.decode(secret.expose_secret().strip_prefix(PREFIX)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{message_id}.{seconds}.{payload}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_signs_as_the_specification_does() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
