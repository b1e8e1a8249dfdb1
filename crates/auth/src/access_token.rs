//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), made by `users`, valid for 15 minutes.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moviebooking_domain::id::{SessionId, TheaterId, UserId};
use moviebooking_proto::users::v1::Jwk;
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};

use crate::User;

/// How long an access token is valid.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// `iss` of access tokens.
const ISSUER: &str = "moviebooking-users";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    admin: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    staff: Vec<TheaterId>,
}

/// The key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[error("the Ed25519 signing key cannot be used")]
pub struct SigningKeyError;

/// A private key that signs access tokens; known by its id in the tokens' headers.
pub struct SigningKey {
    id: String,
    pkcs8: SecretBox<Vec<u8>>,
    encoding: EncodingKey,
    public: String,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate(id: String) -> Result<Self, SigningKeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| SigningKeyError)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| SigningKeyError)?;
        Self::from_pkcs8(id, pkcs8.as_ref().to_vec())
    }

    /// The key that [`SigningKey::pkcs8`] wrote.
    ///
    /// # Errors
    /// When the bytes are no Ed25519 key in PKCS #8.
    pub fn from_pkcs8(id: String, pkcs8: Vec<u8>) -> Result<Self, SigningKeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| SigningKeyError)?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self {
            id,
            encoding: EncodingKey::from_ed_der(&pkcs8),
            public,
            pkcs8: SecretBox::new(Box::new(pkcs8)),
        })
    }

    /// The id that tokens name it by (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The private key as PKCS #8, for the database: a secret.
    pub fn pkcs8(&self) -> &[u8] {
        self.pkcs8.expose_secret()
    }

    /// The public half, for the key set.
    pub fn public_jwk(&self) -> Jwk {
        public_jwk(&self.id, &self.public)
    }

    /// Signs a token for an account that is valid from `now` for [`ACCESS_TOKEN_LIFETIME`].
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(
        &self,
        user: UserId,
        session: SessionId,
        admin: bool,
        staff_of: &[TheaterId],
        now: Timestamp,
    ) -> Result<String, SigningKeyError> {
        let issued = now.as_second();
        let lifetime = i64::try_from(ACCESS_TOKEN_LIFETIME.as_secs()).unwrap_or(0);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            sid: session,
            iat: issued,
            exp: issued + lifetime,
            admin,
            staff: staff_of.to_vec(),
        };
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(|_| SigningKeyError)
    }
}

fn public_jwk(id: &str, x: &str) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: x.to_owned(),
        kid: id.to_owned(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}

/// The key of a JWK, if it is one of ours.
pub(crate) fn decoding_key(jwk: &Jwk) -> Option<DecodingKey> {
    (jwk.kty == "OKP" && jwk.crv == "Ed25519").then(|| DecodingKey::from_ed_components(&jwk.x).ok()).flatten()
}

/// Who the token is for, if this key signed it. Its time is checked by who asks.
pub(crate) fn verify(token: &str, key: &DecodingKey) -> Option<Arc<User>> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.validate_aud = false;
    // The injected clock decides, not the library's.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?.claims;
    Some(Arc::new(User {
        id: claims.sub,
        session: claims.sid,
        admin: claims.admin,
        staff_of: claims.staff,
        expire_time: Timestamp::from_second(claims.exp).ok()?,
    }))
}
