//! What may be tried only so often, and how much work is taken on.

use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_proto::Reason;
use moviebooking_store::both_engines;
use tonic_types::StatusExt as _;

use super::*;
use crate::attempts::WINDOW;

fn few(per_account: u32, per_address: u32) -> Config {
    Config { login_failures_per_account: per_account, login_failures_per_address: per_address, ..config() }
}

/// When the refused caller is told to come back.
fn retry_after<T>(result: Result<T, Error>) -> Duration {
    let status = tonic::Status::from(result.err().unwrap());
    status.get_details_retry_info().unwrap().retry_delay.unwrap()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn an_account_is_closed_for_a_while_whether_it_exists_or_not(db: Db) {
        let world = World::with(db, few(3, 100));
        world.register("ann@example.org").await;
        for address in ["ann@example.org", "nobody@example.org"] {
            for _ in 0..3 {
                assert_eq!(reason(world.login(address, OTHER_PASSWORD).await), Reason::InvalidCredentials);
                world.pass(SignedDuration::from_secs(60));
            }
            let before = world.computed();
            let refused = world.login(address, PASSWORD).await;
            assert_eq!(retry_after(refused), Duration::from_secs(12 * 60));
            assert_eq!(reason(world.login(&address.to_uppercase(), PASSWORD).await), Reason::RateLimited);
            assert_eq!(world.computed(), before, "nothing is hashed");
        }
        world.pass(WINDOW);
        assert!(world.login("ann@example.org", PASSWORD).await.is_ok());
    }

    async fn a_right_password_forgives_the_account(db: Db) {
        let world = World::with(db, few(3, 100));
        world.register("ann@example.org").await;
        for _ in 0..3 {
            for _ in 0..2 {
                assert_eq!(reason(world.login("ann@example.org", OTHER_PASSWORD).await), Reason::InvalidCredentials);
            }
            world.login("ann@example.org", PASSWORD).await.unwrap();
        }
    }

    async fn side_by_side_no_more_than_the_limit_are_tried(db: Db) {
        let world = World::with(db, few(10, 100));
        world.register("ann@example.org").await;
        let before = world.computed();
        let replica = world.replica(few(10, 100));
        let all = (0..30).map(|i| {
            let service = if i % 2 == 0 { world.service.clone() } else { replica.clone() };
            tokio::spawn(async move { login_at(&service, "ann@example.org", OTHER_PASSWORD, None).await })
        });
        let reasons: Vec<_> = join_all(all).await.into_iter().map(|one| reason(one.unwrap())).collect();
        let tried = reasons.iter().filter(|reason| **reason == Reason::InvalidCredentials).count();
        let limited = reasons.iter().filter(|reason| **reason == Reason::RateLimited).count();
        assert_eq!((tried, limited), (10, 20));
        assert_eq!(world.computed() - before + replica.hasher.computed.load(Ordering::SeqCst), 10);
    }

    async fn an_address_is_closed_and_others_are_not(db: Db) {
        let world = World::with(db, few(3, 5));
        world.register("ann@example.org").await;
        let from = address("203.0.113.7");
        for i in 0..5 {
            // What succeeds is not held against the address.
            login_at(&world.service, "ann@example.org", PASSWORD, from).await.unwrap();
            let guess = login_at(&world.service, &format!("guess{i}@example.org"), PASSWORD, from).await;
            assert_eq!(reason(guess), Reason::InvalidCredentials);
        }
        for _ in 0..4 {
            let refused = login_at(&world.service, "ann@example.org", PASSWORD, from).await;
            assert_eq!(retry_after(refused), Duration::from_secs(15 * 60));
        }
        // The closed address has not used up the tries of the account.
        assert!(login_at(&world.service, "ann@example.org", PASSWORD, address("203.0.113.8")).await.is_ok());
        assert!(login_at(&world.service, "ann@example.org", PASSWORD, None).await.is_ok());
    }

    async fn the_current_password_is_guessed_no_more_often(db: Db) {
        let world = World::with(db, few(3, 100));
        let me = user(world.register("ann@example.org").await.id);
        for _ in 0..3 {
            let guess = world.change_password(&me, "", "no such password", OTHER_PASSWORD).await;
            assert_eq!(reason(guess), Reason::InvalidCredentials);
        }
        let limited = world.change_password(&me, "", PASSWORD, OTHER_PASSWORD).await;
        assert_eq!(reason(limited), Reason::RateLimited);
        assert_eq!(reason(world.login("ann@example.org", PASSWORD).await), Reason::RateLimited);
    }

    async fn registrations_of_an_address_are_limited(db: Db) {
        let world = World::with(db, Config { registrations_per_address: 2, ..config() });
        let register = async |name: &str, from: &str| {
            register_at(&world.service, &format!("{name}@example.org"), "k", PASSWORD, address(from)).await
        };
        register("ann", "203.0.113.7").await.unwrap();
        assert_eq!(reason(register_at(&world.service, "ann@example.org", "x", PASSWORD, address("203.0.113.7")).await), Reason::EmailTaken);
        assert_eq!(retry_after(register("bob", "203.0.113.7").await), Duration::from_secs(15 * 60));
        register("bob", "203.0.113.8").await.unwrap();
        world.pass(WINDOW);
        register("cid", "203.0.113.7").await.unwrap();
    }

    async fn who_finds_no_room_is_told_so_and_not_counted(db: Db) {
        let world = World::with(
            db,
            Config { password_hash_concurrency: Some(1), password_hash_queue: 0, ..few(1, 1) },
        );
        world.register("ann@example.org").await;
        let from = address("203.0.113.7");
        let all_places = world.service.hasher.fill().await;
        for address in ["ann@example.org", "nobody@example.org"] {
            for _ in 0..3 {
                let refused = login_at(&world.service, address, PASSWORD, from).await;
                assert_eq!(retry_after(refused), Duration::from_secs(1));
                assert_eq!(reason(login_at(&world.service, address, PASSWORD, from).await), Reason::Overloaded);
            }
        }
        drop(all_places);
        assert!(login_at(&world.service, "ann@example.org", PASSWORD, from).await.is_ok());
    }
}
