//! Which tokens are believed, and for how long.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::join_all;
use http::{Request as HttpRequest, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::*;
use crate::ServiceCredentials;

/// The header that a service sends, as the receiving service gets it.
async fn sent(link: crate::ServiceLink) -> String {
    let answer = link.oneshot(HttpRequest::post("/any").body(Body::empty()).unwrap()).await.unwrap();
    answer.headers()["seen"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// A service that tells the authorisation it was called with.
fn mirror() -> Link {
    let answer = async |request: axum::extract::Request| {
        let seen = request.headers().get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap());
        [("seen", seen.collect::<Vec<_>>().join(", "))]
    };
    Link::local(Routes::from(Router::new().route("/any", post(answer))))
}

#[tokio::test]
async fn an_access_token_says_who_it_is_for_until_it_expires() {
    let world = World::new();
    let key = world.key("1");
    let theaters: Vec<TheaterId> = (0..100).map(|_| TheaterId::new(world.clock.now())).collect();
    let (id, session) = (UserId::new(world.clock.now()), SessionId::new(world.clock.now()));
    let token = key.sign(id, session, false, &theaters, world.clock.now()).unwrap();
    let caller = world.verifier.verify(&token).await.unwrap();
    let user = caller.user().unwrap();
    assert_eq!((user.id, user.session, user.admin, &user.staff_of), (id, session, false, &theaters));
    assert_eq!(user.expire_time, world.clock.now() + SignedDuration::from_mins(15));

    world.pass(15 * 60 - 1);
    assert_eq!(world.verifier.remembered(&token), Some(caller.clone()));
    assert_eq!(world.verifier.verify(&token).await.unwrap(), caller);
    world.pass(1);
    assert_eq!(world.verifier.remembered(&token), None);
    assert_eq!(world.reason(&token).await, Some(Reason::InvalidToken));
    assert_eq!(world.users.asked(), 1);
}

#[tokio::test]
async fn a_key_comes_back_from_the_database_as_it_was() {
    let world = World::new();
    let key = world.key("1");
    let again = SigningKey::from_pkcs8("1".to_owned(), key.pkcs8().to_vec()).unwrap();
    assert_eq!(again.public_jwk(), key.public_jwk());
    let jwk = again.public_jwk();
    assert_eq!(
        (jwk.kty.as_str(), jwk.crv.as_str(), jwk.alg.as_str(), jwk.r#use.as_str()),
        ("OKP", "Ed25519", "EdDSA", "sig")
    );
    assert_eq!(URL_SAFE_NO_PAD.decode(&jwk.x).unwrap().len(), 32);
    assert!(world.verifier.verify(&world.token(&again, true, &[])).await.unwrap().is_admin());
    assert!(SigningKey::from_pkcs8("1".to_owned(), vec![0; 48]).is_err());
}

#[tokio::test]
async fn tokens_that_we_did_not_make_are_refused() {
    let world = World::new();
    let key = world.key("1");
    let good = world.token(&key, false, &[]);
    let parts: Vec<&str> = good.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let promoted = encode(&payload.replace("\"exp\"", "\"admin\":true,\"exp\""));
    let unsigned = encode(r#"{"alg":"none","typ":"JWT","kid":"1"}"#);
    // The public key as a shared secret: what a verifier that trusts the header's algorithm falls for.
    let confused = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::HS256) };
    let public = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(key.public_jwk().x).unwrap());
    let claims: serde_json::Value = serde_json::from_str(&payload).unwrap();
    let confused = jsonwebtoken::encode(&confused, &claims, &public).unwrap();
    let impostor = world.token(&SigningKey::generate("1".to_owned()).unwrap(), true, &[]);
    let unknown = world.token(&SigningKey::generate("2".to_owned()).unwrap(), true, &[]);
    for bad in [
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{}.{promoted}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{unsigned}.{}.", parts[1]),
        format!("{good}x"),
        confused,
        impostor,
        unknown,
        "x".repeat(100_000),
    ] {
        assert_eq!(world.reason(&bad).await, Some(Reason::InvalidToken), "{bad:.200}");
    }
    assert!(world.verifier.verify(&good).await.is_ok());
}

#[tokio::test]
async fn a_token_of_another_issuer_or_without_a_subject_is_refused() {
    let world = World::new();
    let key = world.key("1");
    let signing = EncodingKey::from_ed_der(key.pkcs8());
    let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let exp = world.clock.now().as_second() + 60;
    let (sub, sid) = (UserId::new(world.clock.now()), SessionId::new(world.clock.now()));
    let good = json!({"iss": "moviebooking-users", "sub": sub, "sid": sid, "iat": 0, "exp": exp});
    let token = |claims: &serde_json::Value| jsonwebtoken::encode(&header, claims, &signing).unwrap();
    assert!(world.verifier.verify(&token(&good)).await.is_ok());
    for (claim, value) in [
        ("iss", json!("moviebooking-service")),
        ("iss", json!(null)),
        ("sub", json!("ann")),
        ("sub", json!(null)),
        ("exp", json!(null)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(i64::MIN)),
        ("exp", json!("tomorrow")),
    ] {
        let mut claims = good.clone();
        claims[claim] = value.clone();
        assert_eq!(world.reason(&token(&claims)).await, Some(Reason::InvalidToken), "{claim} {value}");
    }
}

#[tokio::test]
async fn a_new_key_is_asked_for_once_and_not_too_often() {
    let world = World::new();
    let first = world.token(&world.key("1"), false, &[]);
    for caller in join_all((0..16).map(|_| world.verifier.verify(&first))).await {
        caller.unwrap();
    }
    assert_eq!(world.users.asked(), 1);

    let second = world.key("2");
    let token = world.token(&second, false, &[]);
    assert_eq!(world.reason(&token).await, Some(Reason::InvalidToken));
    assert_eq!(world.users.asked(), 1);
    world.pass(1);
    assert!(world.verifier.verify(&token).await.is_ok());
    assert_eq!(world.users.asked(), 2);
}

#[tokio::test]
async fn without_keys_nobody_is_refused_for_good_and_users_is_not_pestered() {
    let world = World::new();
    let token = world.token(&world.key("1"), false, &[]);
    world.users.set_down(true);
    for result in join_all((0..16).map(|_| world.verifier.verify(&token))).await {
        let status = result.unwrap_err();
        assert_eq!(reason_of(&status), Some(Reason::Unavailable));
        assert!(!status.message().contains("detail"));
    }
    assert_eq!(world.users.asked(), 1);
    world.pass(1);
    world.users.set_down(false);
    assert!(world.verifier.verify(&token).await.is_ok());
    // What is known stays known.
    world.users.set_down(true);
    world.pass(10);
    assert!(world.verifier.verify(&world.token(&world.key("1b"), false, &[])).await.is_err());
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_believed_no_longer_than_a_minute() {
    let world = World::new();
    let stolen = world.key("1");
    let token = world.token(&stolen, true, &[]);
    assert!(world.verifier.verify(&token).await.is_ok());
    world.users.withdraw(&stolen);
    let other = world.token(&world.key("2"), false, &[]);
    world.verifier.ready().await.unwrap();
    assert!(world.verifier.verify(&token).await.is_ok(), "nobody has looked yet");
    world.pass(60);
    world.verifier.ready().await.unwrap();
    assert_eq!(world.reason(&token).await, Some(Reason::InvalidToken));
    assert!(world.verifier.verify(&other).await.is_ok());
}

#[tokio::test]
async fn readiness_needs_keys() {
    let world = World::new();
    let keys =
        Keys::new(KeysFromUsers::new(Link::local(world.users.routes())), Arc::clone(&world.clock) as _);
    world.users.set_down(true);
    assert!(keys.ready().await.is_err());
    world.pass(1);
    world.users.set_down(false);
    world.key("1");
    keys.ready().await.unwrap();
    world.users.set_down(true);
    keys.ready().await.unwrap();
}

#[tokio::test]
async fn a_service_token_is_for_one_service_and_a_minute() {
    let world = World::new();
    let credentials =
        ServiceCredentials::new("payments", world.secret.clone(), Arc::clone(&world.clock) as _);
    let token = sent(credentials.link("movies", mirror())).await;
    assert_eq!(world.verifier.verify(&token).await.unwrap(), service("payments"));
    let elsewhere = sent(credentials.link("tickets", mirror())).await;
    assert_eq!(world.reason(&elsewhere).await, Some(Reason::InvalidToken));
    let stranger =
        ServiceCredentials::new("payments", ServiceSecret::random(), Arc::clone(&world.clock) as _);
    assert_eq!(
        world.reason(&sent(stranger.link("movies", mirror())).await).await,
        Some(Reason::InvalidToken)
    );
    // At the gateway no service token is taken.
    let gateway = verifier(&world.users, &world.clock, None);
    assert_eq!(reason_of(&gateway.verify(&token).await.unwrap_err()), Some(Reason::InvalidToken));

    world.pass(29);
    assert_eq!(sent(credentials.link("movies", mirror())).await, token);
    world.pass(1);
    let renewed = sent(credentials.link("movies", mirror())).await;
    assert_ne!(renewed, token);
    world.pass(30);
    assert_eq!(world.reason(&token).await, Some(Reason::InvalidToken));
    assert_eq!(world.verifier.verify(&renewed).await.unwrap(), service("payments"));
}

#[tokio::test]
async fn a_link_replaces_the_authorisation_of_whoever_is_behind_the_call() {
    let world = World::new();
    let credentials =
        ServiceCredentials::new("payments", world.secret.clone(), Arc::clone(&world.clock) as _);
    let call =
        HttpRequest::post("/any").header(AUTHORIZATION, "Bearer of-a-customer").body(Body::empty()).unwrap();
    let answer = credentials.link("movies", mirror()).oneshot(call).await.unwrap();
    assert!(!answer.headers()["seen"].to_str().unwrap().contains("customer"));
}
