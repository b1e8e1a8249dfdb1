//! Ticket codes: what the QR picture shows. Signed, and verifiable offline with the public keys alone.
//!
//! # The format, version 1
//! A code is `MBT1.` and, in base32 (RFC 4648, section 6; capital letters, no padding, unused bits zero), the payload
//! followed by its signature. All of it is in QR's alphanumeric alphabet, which makes the picture a third smaller
//! than base64 would.
//!
//! | bytes | of the payload |
//! |---|---|
//! | 0..2 | id of the key that signed it; unsigned, big-endian |
//! | 2..18 | ticket id, the bytes of the UUID in their written order |
//! | 18..34 | showtime id, likewise |
//! | 34..42 | start of the show in seconds since 1970-01-01T00:00:00Z; signed, big-endian |
//! | 42.. | the seat's label in UTF-8, 1 to 80 bytes: up to the signature |
//!
//! The last 64 bytes are the Ed25519 signature (RFC 8032) over the bytes `moviebooking ticket code 1`, a zero byte,
//! and the payload.
//!
//! # A scanner
//! fetches the public keys once (`GET /tickets/keys`), and then needs no network: base32-decode what follows `MBT1.`,
//! look up the key by the first two bytes, check the signature, and compare showtime and start with the door's. What
//! it cannot see offline is whether the ticket was let in before, or voided: `POST /tickets/check-in` decides that.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use moviebooking_domain::id::{ShowtimeId, TicketId};
use uuid::Uuid;

/// What every code of this version begins with.
const PREFIX: &str = "MBT1.";
/// What stands before the payload in what is signed, so that the signature can never be taken for one of something
/// else.
const DOMAIN: &[u8] = b"moviebooking ticket code 1\0";
const HEAD: usize = 42;
const LONGEST_SEAT: usize = 80;
const SIGNATURE: usize = 64;

/// A public key that codes are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The id that codes name it by.
    pub id: u16,
    /// The raw Ed25519 public key (RFC 8032).
    pub bytes: [u8; 32],
}

/// What a genuine code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The ticket.
    pub ticket: TicketId,
    /// The showtime it is for.
    pub showtime: ShowtimeId,
    /// When the show starts, in whole seconds.
    pub start: Timestamp,
    /// The seat's label: "C7".
    pub seat: String,
}

/// Why a code is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// It does not have the form of a code.
    #[error("it is no ticket code of this platform")]
    Malformed,
    /// The verifier does not have the key that it names.
    #[error("it names a key that this platform does not have")]
    UnknownKey,
    /// Somebody else made or changed it.
    #[error("its signature is not valid")]
    Forged,
}

/// A key that codes are signed with.
pub(crate) struct SigningKey {
    id: u16,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key `id` from its private half in PKCS #8; `None` when the bytes are no Ed25519 key.
    pub(crate) fn from_pkcs8(id: u16, pkcs8: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok().map(|pair| Self { id, pair })
    }

    /// The public half; `None` never happens for a key of this length.
    pub(crate) fn public(&self) -> Option<PublicKey> {
        Some(PublicKey { id: self.id, bytes: self.pair.public_key().as_ref().try_into().ok()? })
    }

    /// The code that says this.
    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let mut signed = DOMAIN.to_vec();
        signed.extend(self.id.to_be_bytes());
        signed.extend(claims.ticket.uuid().as_bytes());
        signed.extend(claims.showtime.uuid().as_bytes());
        signed.extend(claims.start.as_second().to_be_bytes());
        signed.extend(claims.seat.as_bytes());
        let signature = self.pair.sign(&signed);
        let mut code = PREFIX.to_owned();
        let body = [&signed[DOMAIN.len()..], signature.as_ref()].concat();
        BASE32_NOPAD.encode_append(&body, &mut code);
        code
    }
}

/// Verifies a code with nothing but public keys.
///
/// # Errors
/// [`InvalidCode`] unless one of `keys` signed exactly this.
pub fn verify(keys: &[PublicKey], code: &str) -> Result<Claims, InvalidCode> {
    let longest = BASE32_NOPAD.encode_len(HEAD + LONGEST_SEAT + SIGNATURE);
    let text =
        code.strip_prefix(PREFIX).filter(|text| text.len() <= longest).ok_or(InvalidCode::Malformed)?;
    let body = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidCode::Malformed)?;
    let (payload, signature) = body.split_last_chunk::<SIGNATURE>().ok_or(InvalidCode::Malformed)?;
    let (head, seat) = payload.split_first_chunk::<HEAD>().ok_or(InvalidCode::Malformed)?;
    let id = u16::from_be_bytes(part(head, 0));
    let key = keys.iter().find(|key| key.id == id).ok_or(InvalidCode::UnknownKey)?;
    UnparsedPublicKey::new(&ED25519, key.bytes)
        .verify(&[DOMAIN, payload].concat(), signature)
        .map_err(|_| InvalidCode::Forged)?;
    let start = i64::from_be_bytes(part(head, 34));
    Ok(Claims {
        ticket: Uuid::from_bytes(part(head, 2)).into(),
        showtime: Uuid::from_bytes(part(head, 18)).into(),
        start: Timestamp::from_second(start).map_err(|_| InvalidCode::Malformed)?,
        seat: String::from_utf8(seat.to_vec()).map_err(|_| InvalidCode::Malformed)?,
    })
}

/// `N` bytes of the head, from `at` on.
fn part<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    std::array::from_fn(|index| head.get(at + index).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The private key of RFC 8032, section 7.1, test 1, and its public half.
    const PRIVATE: &str =
        "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// Made from the format's description by another program with another Ed25519 (Python's `cryptography`).
    const VECTOR: &str = "MBT1.AAAQDGVPHRNIA7ARRUXACI2FM6E2WAM2V46AAADQACAAAAAAAAAL53YAAAAAA2YDJVCEGN6XUZBSUFESWSX6YXEANPDSP7FFZYGO3DYPZUFG47DY3P6WDRGTQRTISVVLLUOS5YF3XMI4446VHVQSW6C3SQ3OHMQ7J5D3CDIATNDAW";

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(1, &hex(PRIVATE)).unwrap()
    }

    fn public() -> PublicKey {
        PublicKey { id: 1, bytes: hex(PUBLIC).try_into().unwrap() }
    }

    fn claims(seat: &str) -> Claims {
        Claims {
            ticket: "019aaf3c-5a80-7c11-8d2e-0123456789ab".parse::<Uuid>().unwrap().into(),
            showtime: "019aaf3c-0000-7000-8000-00000000beef".parse::<Uuid>().unwrap().into(),
            start: "2026-11-22T20:15:00Z".parse().unwrap(),
            seat: seat.to_owned(),
        }
    }

    #[test]
    fn a_code_of_another_implementation_is_ours() {
        assert_eq!(verify(&[public()], VECTOR), Ok(claims("C7")));
        assert_eq!(key().sign(&claims("C7")), VECTOR);
        assert_eq!(key().public().unwrap(), public());
    }

    #[test]
    fn no_character_can_be_changed_or_left_out() {
        for position in 0..VECTOR.len() {
            let mut changed = VECTOR.to_owned().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&[public()], &changed).is_err(), "{changed}");
            assert!(verify(&[public()], &VECTOR[..position]).is_err());
        }
        assert_eq!(verify(&[public()], &VECTOR.to_lowercase()), Err(InvalidCode::Malformed));
    }

    #[test]
    fn the_key_must_be_known_and_the_right_one() {
        assert_eq!(verify(&[], VECTOR), Err(InvalidCode::UnknownKey));
        assert_eq!(verify(&[PublicKey { id: 2, ..public() }], VECTOR), Err(InvalidCode::UnknownKey));
        assert_eq!(verify(&[PublicKey { id: 1, bytes: [7; 32] }], VECTOR), Err(InvalidCode::Forged));
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read(seat in "\\PC{1,20}") {
            prop_assert_eq!(verify(&[public()], &key().sign(&claims(&seat))), Ok(claims(&seat)));
        }

        #[test]
        fn nothing_else_passes(text in "(MBT1\\.)?[A-Z2-7]{0,400}|\\PC*") {
            prop_assert!(verify(&[public()], &text).is_err());
        }
    }
}
