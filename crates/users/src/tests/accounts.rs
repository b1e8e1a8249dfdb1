//! Making, changing and deleting accounts.

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_proto::Reason;
use moviebooking_store::{both_engines, idempotency::Request, sql};

use super::*;
use crate::profile::ProfileChange;

fn change(id: UserId) -> ProfileChange {
    ProfileChange { id, display_name: None, email: None, etag: String::new(), current_password: None }
}

fn rename(id: UserId, name: &str, etag: &str) -> ProfileChange {
    ProfileChange { display_name: Some(name.to_owned()), etag: etag.to_owned(), ..change(id) }
}

fn move_to(id: UserId, address: &str, password: Option<&str>) -> ProfileChange {
    ProfileChange { email: Some(email(address)), current_password: password.map(secret), ..change(id) }
}

impl World {
    async fn update(&self, caller: &Caller, change: ProfileChange) -> Result<Account, Error> {
        self.service.update_user(caller, &no_key(), change, None).await
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn an_account_is_made_once_and_found(db: Db) {
        let world = World::new(db);
        let ann = world.register("Ann@Example.org").await;
        assert_eq!(ann.email.as_deref(), Some("Ann@Example.org"));
        assert_eq!((ann.version, ann.created_at, &ann.roles), (1, world.now(), &Default::default()));
        assert_eq!(world.service.get_user(&user(ann.id), ann.id).await.unwrap(), ann);
        assert_eq!(world.service.me(&user(ann.id)).await.unwrap(), ann);

        let again = register_at(&world.service, "ann@example.ORG", "k2", OTHER_PASSWORD, None).await;
        assert_eq!(reason(again), Reason::EmailTaken);
        let weak = register_at(&world.service, "bob@example.org", "k3", "password123", None).await;
        assert_eq!(reason(weak), Reason::InvalidArgument);
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM users").await, 1);
    }

    async fn side_by_side_one_e_mail_makes_one_account(db: Db) {
        let world = World::new(db);
        let all = (0..16).map(|i| {
            let service = world.service.clone();
            tokio::spawn(async move {
                register_at(&service, "ann@example.org", &format!("k{i}"), PASSWORD, None).await
            })
        });
        let results: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.into_iter().filter(Result::is_err) {
            assert_eq!(reason(refused), Reason::EmailTaken);
        }
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM users").await, 1);
    }

    async fn the_same_registration_again_has_the_same_answer(db: Db) {
        let world = World::with(db, Config { login_failures_per_account: 3, ..config() });
        let all = (0..3).map(|_| register_at(&world.service, "ann@example.org", "k", PASSWORD, None));
        let answers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]));

        // Whoever guesses the key has to guess the password, too, and not more often than at a login.
        for _ in 0..3 {
            let guess = register_at(&world.service, "ann@example.org", "k", OTHER_PASSWORD, None).await;
            assert_eq!(reason(guess), Reason::IdempotencyKeyReused);
        }
        let limited = register_at(&world.service, "ann@example.org", "k", PASSWORD, None).await;
        assert_eq!(reason(limited), Reason::RateLimited);
        assert_eq!(world.count("SELECT COUNT(*) AS n FROM users").await, 1);
    }

    async fn a_registration_is_not_answered_with_anothers_account(db: Db) {
        let world = World::new(db);
        let ann = register_at(&world.service, "ann@example.org", "k", PASSWORD, None).await.unwrap();
        let bob = register_at(&world.service, "bob@example.org", "k", PASSWORD, None).await.unwrap();
        assert_ne!(ann.id, bob.id);
        // Ann moves on, and her address gets a new owner.
        let moved = move_to(ann.id, "new@example.org", Some(PASSWORD));
        world.update(&user(ann.id), moved).await.unwrap();
        register_at(&world.service, "ann@example.org", "k2", OTHER_PASSWORD, None).await.unwrap();
        let replay = register_at(&world.service, "ann@example.org", "k", PASSWORD, None).await.unwrap();
        assert_eq!((replay.id, replay.email.as_deref()), (ann.id, Some("new@example.org")));
        world.delete(&user(ann.id), ann.id).await.unwrap();
        let replay = register_at(&world.service, "ann@example.org", "k", PASSWORD, None).await;
        assert_eq!(reason(replay), Reason::UserNotFound);
    }

    async fn an_account_is_seen_by_itself_admins_and_services(db: Db) {
        let world = World::new(db);
        let (ann, bob) = (world.register("ann@example.org").await, world.register("bob@example.org").await);
        let nobody = UserId::new(world.now());
        for id in [ann.id, nobody] {
            assert_eq!(reason(world.service.get_user(&user(bob.id), id).await), Reason::PermissionDenied);
            assert_eq!(reason(world.update(&user(bob.id), rename(id, "x", "")).await), Reason::PermissionDenied);
            assert_eq!(reason(world.delete(&user(bob.id), id).await), Reason::PermissionDenied);
        }
        let service = Caller::Service("tickets".into());
        for caller in [&service, &admin(bob.id)] {
            assert_eq!(world.service.get_user(caller, ann.id).await.unwrap(), ann);
            assert_eq!(reason(world.service.get_user(caller, nobody).await), Reason::UserNotFound);
        }
        assert_eq!(reason(world.update(&service, rename(ann.id, "x", "")).await), Reason::PermissionDenied);
        assert_eq!(reason(world.delete(&service, ann.id).await), Reason::PermissionDenied);
        assert_eq!(reason(world.update(&admin(bob.id), rename(nobody, "x", "")).await), Reason::UserNotFound);
    }

    async fn an_update_changes_what_it_names_if_the_etag_fits(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        world.pass(SignedDuration::from_secs(5));
        let me = user(ann.id);
        let renamed = world.update(&me, rename(ann.id, "Ann Lee", "1")).await.unwrap();
        assert_eq!(renamed.display_name.as_deref(), Some("Ann Lee"));
        assert_eq!((&renamed.email, renamed.version, renamed.updated_at), (&ann.email, 2, world.now()));
        for stale in ["1", "3", "x", "02"] {
            assert_eq!(reason(world.update(&me, rename(ann.id, "x", stale)).await), Reason::EtagMismatch);
        }
        assert_eq!(world.service.me(&me).await.unwrap(), renamed);
    }

    async fn the_same_update_again_changes_nothing(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        let (me, scope) = (user(ann.id), ann.id.to_string());
        let request = Request::optional(&scope, "k", "users.UpdateUser", &"Ann Lee".to_owned()).unwrap();
        let all = (0..4).map(|_| world.service.update_user(&me, &request, rename(ann.id, "Ann Lee", "1"), None));
        for result in join_all(all).await {
            assert_eq!(result.unwrap().version, 2);
        }
        let other = Request::optional(&scope, "k", "users.UpdateUser", &"Bob".to_owned()).unwrap();
        let other = world.service.update_user(&me, &other, rename(ann.id, "Bob", ""), None).await;
        assert_eq!(reason(other), Reason::IdempotencyKeyReused);
    }

    async fn a_new_e_mail_needs_the_password_save_for_an_admin(db: Db) {
        let world = World::new(db);
        let (ann, bob) = (world.register("ann@example.org").await, world.register("bob@example.org").await);
        let me = user(ann.id);
        let missing = world.update(&me, move_to(ann.id, "new@example.org", None)).await;
        assert_eq!(reason(missing), Reason::InvalidArgument);
        let wrong = world.update(&me, move_to(ann.id, "new@example.org", Some(OTHER_PASSWORD))).await;
        assert_eq!(reason(wrong), Reason::InvalidCredentials);
        let taken = world.update(&me, move_to(ann.id, "BOB@example.org", Some(PASSWORD))).await;
        assert_eq!(reason(taken), Reason::EmailTaken);

        let same = world.update(&me, move_to(ann.id, "ANN@example.org", None)).await.unwrap();
        assert_eq!(same.email.as_deref(), Some("ANN@example.org"));
        let moved = world.update(&me, move_to(ann.id, "new@example.org", Some(PASSWORD))).await.unwrap();
        assert_eq!(moved.email.as_deref(), Some("new@example.org"));
        assert_eq!(reason(world.login("ann@example.org", PASSWORD).await), Reason::InvalidCredentials);
        assert!(world.login("New@example.org", PASSWORD).await.is_ok());

        let root = world.admin("root@example.org").await;
        let by_admin = world.update(&admin(root), move_to(bob.id, "ann@example.org", None)).await.unwrap();
        assert_eq!(by_admin.email.as_deref(), Some("ann@example.org"));
        let own = world.update(&admin(root), move_to(root, "r@example.org", None)).await.unwrap();
        assert_eq!(own.email.as_deref(), Some("r@example.org"));
    }

    async fn a_new_password_ends_all_sessions(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        world.register("bob@example.org").await;
        let (first, second) =
            (world.login("ann@example.org", PASSWORD).await.unwrap(), world.login("ann@example.org", PASSWORD).await.unwrap());
        let bobs = world.login("bob@example.org", PASSWORD).await.unwrap();

        let me = user(ann.id);
        let wrong = world.change_password(&me, "k", OTHER_PASSWORD, "yet another horse").await;
        assert_eq!(reason(wrong), Reason::InvalidCredentials);
        for bad in ["too short", "password1234", "ann@example.org"] {
            assert_eq!(reason(world.change_password(&me, "k", PASSWORD, bad).await), Reason::InvalidArgument);
        }
        world.change_password(&me, "k", PASSWORD, OTHER_PASSWORD).await.unwrap();
        for session in [first, second] {
            assert_eq!(reason(world.service.refresh(&session.refresh_token).await), Reason::InvalidRefreshToken);
        }
        assert!(world.service.refresh(&bobs.refresh_token).await.is_ok());
        assert_eq!(reason(world.login("ann@example.org", PASSWORD).await), Reason::InvalidCredentials);
        assert!(world.login("ann@example.org", OTHER_PASSWORD).await.is_ok());

        // The same again changes nothing; another password with the same key is another request.
        world.change_password(&me, "k", PASSWORD, OTHER_PASSWORD).await.unwrap();
        let reused = world.change_password(&me, "k", OTHER_PASSWORD, "yet another horse").await;
        assert_eq!(reason(reused), Reason::IdempotencyKeyReused);
    }

    async fn side_by_side_one_change_of_the_password_wins(db: Db) {
        let world = World::new(db);
        let me = user(world.register("ann@example.org").await.id);
        let new: Vec<String> = (0..4).map(|i| format!("horse number {i}")).collect();
        let changes = join_all(new.iter().map(|new| world.change_password(&me, "", PASSWORD, new))).await;
        assert_eq!(changes.iter().filter(|change| change.is_ok()).count(), 1);
        for (new, change) in new.iter().zip(changes) {
            let login = world.login("ann@example.org", new).await;
            assert_eq!(login.is_ok(), change.is_ok());
        }
    }

    async fn deletion_erases_what_is_personal(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        let session = world.login("ann@example.org", PASSWORD).await.unwrap();
        assert!(world.login("ann@example.org", OTHER_PASSWORD).await.is_err());
        world.pass(SignedDuration::from_secs(60));
        let me = user(ann.id);
        world.delete(&me, ann.id).await.unwrap();

        let row = sql("SELECT * FROM users WHERE id = $1").bind(ann.id).fetch_one(&world.service.db).await.unwrap();
        for personal in ["email", "email_folded", "display_name", "password_hash"] {
            assert_eq!(row.get::<Option<String>>(personal).unwrap(), None, "{personal}");
        }
        assert_eq!(row.get::<Timestamp>("created_at").unwrap(), ann.created_at);
        assert_eq!(row.get::<Timestamp>("deleted_at").unwrap(), world.now());
        for table in [
            "SELECT COUNT(*) AS n FROM sessions",
            "SELECT COUNT(*) AS n FROM refresh_tokens",
            "SELECT COUNT(*) AS n FROM attempts",
        ] {
            assert_eq!(world.count(table).await, 0, "{table}");
        }
        let stored = sql("SELECT caller, response FROM idempotency_keys").fetch_one(&world.service.db).await.unwrap();
        assert!(!stored.get::<String>("caller").unwrap().contains("ann"));
        let response = String::from_utf8(stored.get("response").unwrap()).unwrap();
        assert!(response.contains(&ann.id.to_string()) && !response.contains("ann@"), "{response:?}");

        assert_eq!(reason(world.service.refresh(&session.refresh_token).await), Reason::InvalidRefreshToken);
        assert_eq!(reason(world.login("ann@example.org", PASSWORD).await), Reason::InvalidCredentials);
        assert_eq!(reason(world.service.me(&me).await), Reason::UserNotFound);
        assert_eq!(reason(world.delete(&me, ann.id).await), Reason::UserNotFound);
        assert_eq!(reason(world.update(&me, rename(ann.id, "x", "")).await), Reason::UserNotFound);
        assert_eq!(reason(world.change_password(&me, "", PASSWORD, OTHER_PASSWORD).await), Reason::UserNotFound);
        let left = world.service.get_user(&Caller::Service("tickets".into()), ann.id).await.unwrap();
        assert_eq!((left.email, left.display_name, left.version), (None, None, 2));

        let again = register_at(&world.service, "ann@example.org", "k2", PASSWORD, None).await.unwrap();
        assert_ne!(again.id, ann.id);
    }

    async fn the_same_deletion_again_has_the_same_answer(db: Db) {
        let world = World::new(db);
        let ann = world.register("ann@example.org").await;
        let request = || Request::optional(&ann.id.to_string(), "k", "users.DeleteUser", &()).unwrap();
        for _ in 0..2 {
            world.service.delete_user(&user(ann.id), &request(), ann.id).await.unwrap();
        }
    }
}
