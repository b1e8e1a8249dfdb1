//! Signing in, refreshing and signing out.

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_auth::{Keys, KeysFromUsers, Verifier};
use moviebooking_domain::id::TheaterId;
use moviebooking_proto::Reason;
use moviebooking_serve::Link;
use moviebooking_store::{both_engines, sql};

use super::*;
use crate::{account::Roles, refresh_token::RefreshToken};

const TRIES: &str = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) AS n FROM attempts";

/// Who an access token speaks for, as another service sees it.
async fn speaks_for(world: &World, session: &Session) -> Caller {
    let clock = Arc::clone(&world.clock);
    let keys = Keys::new(KeysFromUsers::new(Link::local(world.service.routes())), Arc::clone(&clock) as _);
    Verifier::new("movies", Arc::new(keys), None, clock).verify(&session.access_token).await.unwrap()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn who_signs_in_gets_tokens_that_others_accept(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let ann = world.register("ann@example.org").await;
        let theater = TheaterId::new(world.now());
        world.service.set_roles(&admin(root), &no_key(), ann.id, &Roles::new(false, vec![theater])).await.unwrap();

        let session = world.login(" ANN@example.org ", PASSWORD).await.unwrap();
        let caller = speaks_for(&world, &session).await;
        assert!(caller.is(ann.id) && caller.runs(theater) && !caller.is_admin());
        assert_eq!(session.refresh_expire_time, world.now() + SignedDuration::from_hours(30 * 24));
        let session = world.login("root@example.org", PASSWORD).await.unwrap();
        assert!(speaks_for(&world, &session).await.is_admin());
    }

    async fn unknown_e_mails_and_wrong_passwords_cost_and_answer_the_same(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let gone = world.register("gone@example.org").await;
        world.delete(&user(gone.id), gone.id).await.unwrap();
        let mut seen = Vec::new();
        for address in ["ann@example.org", "nobody@example.org", "gone@example.org"] {
            let before = (world.computed(), world.count(TRIES).await);
            let error = world.login(address, OTHER_PASSWORD).await.err().unwrap();
            let status = tonic::Status::from(error);
            let after = (world.computed(), world.count(TRIES).await);
            seen.push((status.code(), status.message().to_owned(), status.details().to_vec(), after.0 - before.0, after.1 - before.1));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
        assert_eq!((seen[0].3, seen[0].4), (1, 1));
    }

    async fn a_refresh_takes_the_roles_of_now(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let ann = world.register("ann@example.org").await;
        let first = world.login("ann@example.org", PASSWORD).await.unwrap();
        world.service.set_roles(&admin(root), &no_key(), ann.id, &Roles::new(true, Vec::new())).await.unwrap();
        assert!(!speaks_for(&world, &first).await.is_admin());
        let second = world.service.refresh(&first.refresh_token).await.unwrap();
        assert!(speaks_for(&world, &second).await.is_admin());
        assert!(world.service.refresh(&second.refresh_token).await.is_ok());
    }

    async fn a_token_used_twice_revokes_its_session_alone(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let (first, other) =
            (world.login("ann@example.org", PASSWORD).await.unwrap(), world.login("ann@example.org", PASSWORD).await.unwrap());
        let second = world.service.refresh(&first.refresh_token).await.unwrap();
        let third = world.service.refresh(&second.refresh_token).await.unwrap();
        assert_eq!(reason(world.service.refresh(&first.refresh_token).await), Reason::InvalidRefreshToken);
        for token in [&second.refresh_token, &third.refresh_token] {
            assert_eq!(reason(world.service.refresh(token).await), Reason::InvalidRefreshToken);
        }
        assert!(world.service.refresh(&other.refresh_token).await.is_ok());
    }

    async fn side_by_side_one_refresh_wins_and_the_session_is_revoked(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let token = Arc::new(world.login("ann@example.org", PASSWORD).await.unwrap().refresh_token);
        let all = (0..16).map(|_| {
            let (service, token) = (world.service.clone(), Arc::clone(&token));
            tokio::spawn(async move { service.refresh(&token).await })
        });
        let mut won = Vec::new();
        for result in join_all(all).await {
            match result.unwrap() {
                Ok(session) => won.push(session),
                refused => assert_eq!(reason(refused), Reason::InvalidRefreshToken),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(reason(world.service.refresh(&won[0].refresh_token).await), Reason::InvalidRefreshToken);
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM sessions WHERE revoked_at IS NOT NULL").await, 1);
    }

    async fn a_token_expires(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let first = world.login("ann@example.org", PASSWORD).await.unwrap();
        world.pass(SignedDuration::from_hours(29 * 24));
        let second = world.service.refresh(&first.refresh_token).await.unwrap();
        world.pass(SignedDuration::from_hours(30 * 24));
        assert_eq!(reason(world.service.refresh(&second.refresh_token).await), Reason::InvalidRefreshToken);
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM sessions WHERE revoked_at IS NULL").await, 1);
        assert_eq!(reason(world.service.refresh(&RefreshToken::random()).await), Reason::InvalidRefreshToken);
    }

    async fn who_signs_out_is_out(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let first = world.login("ann@example.org", PASSWORD).await.unwrap();
        let second = world.service.refresh(&first.refresh_token).await.unwrap();
        for _ in 0..2 {
            world.service.logout(&first.refresh_token).await.unwrap();
        }
        world.service.logout(&RefreshToken::random()).await.unwrap();
        assert_eq!(reason(world.service.refresh(&second.refresh_token).await), Reason::InvalidRefreshToken);
    }

    async fn no_session_of_the_old_password_survives_a_change_side_by_side(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        let me = user(ann.id);
        let logins = join_all((0..6).map(|_| world.login("ann@example.org", PASSWORD)));
        let change = world.change_password(&me, "", PASSWORD, OTHER_PASSWORD);
        let (logins, changed) = futures::join!(logins, change);
        changed.unwrap();
        for session in logins.into_iter().flatten() {
            assert_eq!(reason(world.service.refresh(&session.refresh_token).await), Reason::InvalidRefreshToken);
        }
    }

    async fn a_hash_of_old_settings_is_renewed_at_login(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let stronger = world.replica(Config { password_hash_iterations: 2, ..config() });
        let hash = async || -> String {
            sql("SELECT password_hash FROM users").fetch_one(&stronger.db).await.unwrap().get("password_hash").unwrap()
        };
        assert!(login_at(&stronger, "ann@example.org", OTHER_PASSWORD, None).await.is_err());
        assert!(hash().await.contains(",t=1,"));
        login_at(&stronger, "ann@example.org", PASSWORD, None).await.unwrap();
        let renewed = hash().await;
        assert!(renewed.contains(",t=2,"));
        login_at(&stronger, "ann@example.org", PASSWORD, None).await.unwrap();
        assert_eq!(hash().await, renewed);
    }

    async fn expired_rows_are_deleted(db: Db) {
        let world = World::new(db);
        world.register("ann@example.org").await;
        let session = world.login("ann@example.org", PASSWORD).await.unwrap();
        world.pass(SignedDuration::from_hours(20 * 24));
        world.service.refresh(&session.refresh_token).await.unwrap();
        assert!(world.login("nobody@example.org", PASSWORD).await.is_err());
        let rows = async || {
            (
                world.count("SELECT COUNT(*) AS n FROM sessions").await,
                world.count("SELECT COUNT(*) AS n FROM refresh_tokens").await,
                world.count("SELECT COUNT(*) AS n FROM attempts").await,
                world.count("SELECT COUNT(*) AS n FROM idempotency_keys").await,
            )
        };
        assert_eq!(rows().await, (1, 2, 1, 1));
        world.service.keep_in_order().await.unwrap();
        assert_eq!(rows().await, (1, 2, 1, 0));
        world.pass(SignedDuration::from_hours(10 * 24));
        world.service.keep_in_order().await.unwrap();
        assert_eq!(rows().await, (1, 1, 0, 0));
        world.pass(SignedDuration::from_hours(20 * 24));
        world.service.keep_in_order().await.unwrap();
        assert_eq!(rows().await, (0, 0, 0, 0));
    }
}
