//! The keys that access tokens are signed with.

use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_store::both_engines;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::keys::{OVERLAP, Rotation};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn published(service: &Service, keys: &crate::keyring::Keys) -> Vec<String> {
    assert!(keys.signer(service.clock.now()).is_ok());
    keys.public().into_iter().map(|key| key.kid).collect()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn replicas_that_start_together_share_one_key(db: Db) {
        let world = World::new(db);
        let replicas: Vec<_> = (0..8).map(|_| world.replica(config())).collect();
        let keys = join_all(replicas.iter().map(|replica| replica.keyring.keys())).await;
        let ids: Vec<_> = keys.into_iter().map(|keys| published(&world.service, &keys.unwrap())).collect();
        assert_eq!(ids[0].len(), 1);
        assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    }

    async fn a_key_is_published_before_it_signs_and_until_its_tokens_are_over(db: Db) {
        let world = World::with(db, Config { signing_key_days: 1, ..config() });
        let keyring = &world.service.keyring;
        let first = published(&world.service, &keyring.keys().await.unwrap());
        world.pass(DAY - OVERLAP - SignedDuration::from_secs(1));
        assert_eq!(published(&world.service, &keyring.rotate().await.unwrap()), first);

        world.pass(SignedDuration::from_secs(1));
        let keys = keyring.rotate().await.unwrap();
        let both = published(&world.service, &keys);
        assert_eq!((both.len(), &both[..1]), (2, &first[..]));
        let signer = |keys: &crate::keyring::Keys| keys.signer(world.now()).unwrap().id().to_owned();
        assert_eq!(signer(&keys), both[0]);
        world.pass(OVERLAP);
        assert_eq!(signer(&keys), both[1]);
        assert_eq!(published(&world.service, &keyring.rotate().await.unwrap()), both);

        // Fifteen minutes for the last token, and as long as clocks may differ.
        world.pass(SignedDuration::from_mins(15) + OVERLAP);
        assert_eq!(published(&world.service, &keyring.rotate().await.unwrap()), both);
        world.pass(SignedDuration::from_secs(1));
        assert_eq!(published(&world.service, &keyring.rotate().await.unwrap()), both[1..]);
    }

    async fn a_key_that_an_operator_asks_for_signs_when_everybody_knows_it(db: Db) {
        let world = World::new(db);
        let (keyring, other) = (&world.service.keyring, world.replica(config()));
        let first = published(&world.service, &keyring.keys().await.unwrap());
        other.keyring.replace(Rotation::Now).await.unwrap();
        keyring.look().await.unwrap();
        let keys = keyring.keys().await.unwrap();
        assert_eq!((published(&world.service, &keys).len(), keys.public().len()), (2, 2));
        assert_eq!(keys.signer(world.now()).unwrap().id(), first[0]);
        world.pass(OVERLAP);
        assert_ne!(keys.signer(world.now()).unwrap().id(), first[0]);
    }

    async fn a_compromised_key_is_gone_at_once(db: Db) {
        let world = World::new(db);
        let keyring = &world.service.keyring;
        let first = published(&world.service, &keyring.keys().await.unwrap());
        let keys = keyring.replace(Rotation::Compromised).await.unwrap();
        let now = published(&world.service, &keys);
        assert_eq!(now.len(), 1);
        assert_ne!(now, first);
        assert_eq!(keys.signer(world.now()).unwrap().id(), now[0]);
    }

    async fn a_platform_that_slept_for_a_year_wakes_up(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        world.login("ann@example.org", PASSWORD).await.unwrap();
        world.pass(DAY * 365);
        let woken = world.replica(config());
        let keys = woken.keyring.keys().await.unwrap();
        assert_eq!(published(&woken, &keys).len(), 2);
        login_at(&woken, "ann@example.org", PASSWORD, None).await.unwrap();
    }

    async fn background_work_makes_the_key_and_ends_when_told_to(db: Db) {
        let world = World::new(db);
        let (shutdown, service) = (CancellationToken::new(), world.service.clone());
        let stop = shutdown.clone();
        let work = tokio::spawn(async move { service.run_background(stop).await });
        let made = async {
            while world.count("SELECT COUNT(*) AS n FROM signing_keys").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), made).await.unwrap();
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(10), work).await.unwrap().unwrap();
    }
}
