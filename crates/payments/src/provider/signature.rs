//! Signatures of webhooks as Stripe makes them, and the sandbox: `t=SECONDS,v1=HEX`, where the hex digits are the
//! HMAC-SHA256 of `SECONDS.BODY` (<https://docs.stripe.com/webhooks#verify-manually>). More than one `v1` is sent while
//! a secret is replaced; other schemes are ignored.

use aws_lc_rs::hmac;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Webhook, WebhookRefused};

/// How far the signature's time may be from now, in seconds.
const TOLERANCE: i64 = 300;
/// How many signatures are looked at.
const MOST: usize = 8;

/// Checks the signature in `header` over the body of a webhook.
pub(super) fn verify(
    header: Option<&HeaderValue>,
    key: &SecretString,
    webhook: &Webhook<'_>,
) -> Result<(), WebhookRefused> {
    let header = header.and_then(|value| value.to_str().ok()).ok_or(WebhookRefused::Signature)?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time =
        parts().find_map(|(name, value)| (name == "t").then_some(value)).ok_or(WebhookRefused::Signature)?;
    let signatures = parts().filter(|(name, _)| *name == "v1").take(MOST);
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
    let mut signed = Vec::with_capacity(time.len() + 1 + webhook.body.len());
    signed.extend_from_slice(time.as_bytes());
    signed.push(b'.');
    signed.extend_from_slice(webhook.body);
    // `hmac::verify` compares in constant time.
    let right = signatures
        .filter_map(|(_, digits)| hex::decode(digits).ok())
        .any(|signature| hmac::verify(&key, &signed, &signature).is_ok());
    if !right {
        return Err(WebhookRefused::Signature);
    }
    let time: i64 = time.parse().map_err(|_| WebhookRefused::Signature)?;
    if webhook.now.as_second().abs_diff(time) > TOLERANCE.unsigned_abs() {
        return Err(WebhookRefused::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use jiff::Timestamp;

    use super::*;

    /// Made with `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    const SIGNATURE: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn check(header: &str, body: &[u8], now: i64) -> Result<(), WebhookRefused> {
        let headers = HeaderMap::new();
        let webhook = Webhook { headers: &headers, body, now: Timestamp::from_second(now).unwrap() };
        verify(Some(&HeaderValue::from_str(header).unwrap()), &"whsec_test".into(), &webhook)
    }

    #[test]
    fn a_fresh_signature_of_the_secret_over_the_very_bytes_is_right() {
        let good = format!("t=1700000000,v1={SIGNATURE}");
        assert_eq!(check(&good, BODY, 1_700_000_300), Ok(()));
        assert_eq!(check(&good, BODY, 1_699_999_700), Ok(()));
        let rolled = format!("t=1700000000,v1={},v1={SIGNATURE},v0=00", "00".repeat(32));
        assert_eq!(check(&rolled, BODY, 1_700_000_000), Ok(()));
        for now in [1_700_000_301, 1_699_999_699, 0] {
            assert_eq!(check(&good, BODY, now), Err(WebhookRefused::Stale), "{now}");
        }
        assert_eq!(check(&good, br#"{"id": "evt_1"}"#, 1_700_000_000), Err(WebhookRefused::Signature));
    }

    #[test]
    fn anything_else_is_refused() {
        let other_time = format!("t=1700000001,v1={SIGNATURE}");
        let other_scheme = format!("t=1700000000,v0={SIGNATURE}");
        let cut = format!("t=1700000000,v1={}", &SIGNATURE[..62]);
        for header in ["", "t=", "t=1700000000", "v1=", "t=x,v1=x", ",,,=", &other_time, &other_scheme, &cut]
        {
            assert_eq!(check(header, BODY, 1_700_000_000), Err(WebhookRefused::Signature), "{header}");
        }
        let headers = HeaderMap::new();
        let webhook = Webhook { headers: &headers, body: BODY, now: Timestamp::UNIX_EPOCH };
        assert_eq!(verify(None, &"whsec_test".into(), &webhook), Err(WebhookRefused::Signature));
    }
}
