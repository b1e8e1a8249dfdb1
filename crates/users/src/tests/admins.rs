//! Roles, and that there is always somebody to give them.

use futures::future::join_all;
use moviebooking_domain::id::TheaterId;
use moviebooking_proto::Reason;
use moviebooking_store::{both_engines, idempotency::Request};

use super::*;
use crate::account::Roles;

const ADMINS: &str = "SELECT COUNT(*) AS n FROM users WHERE admin";

impl World {
    async fn set_roles(&self, caller: UserId, id: UserId, roles: &Roles) -> Result<Account, Error> {
        self.service.set_roles(&admin(caller), &no_key(), id, roles).await
    }
}

fn none() -> Roles {
    Roles::default()
}

fn all() -> Roles {
    Roles::new(true, Vec::new())
}

both_engines! {
    &crate::MIGRATIONS;

    async fn roles_are_replaced(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let ann = world.register("ann@example.org").await;
        let theaters: Vec<TheaterId> = (0..100).map(|_| TheaterId::new(world.now())).collect();
        let staff = Roles::new(false, theaters.iter().rev().chain(&theaters).copied().collect());
        let set = world.set_roles(root, ann.id, &staff).await.unwrap();
        assert_eq!((set.roles.staff_of().len(), set.version), (100, 2));
        assert_eq!(world.service.get_user(&user(ann.id), ann.id).await.unwrap(), set);
        let set = world.set_roles(root, ann.id, &none()).await.unwrap();
        assert_eq!(set.roles, none());
        assert_eq!(reason(world.set_roles(root, UserId::new(world.now()), &all()).await), Reason::UserNotFound);
        world.delete(&user(ann.id), ann.id).await.unwrap();
        assert_eq!(reason(world.set_roles(root, ann.id, &all()).await), Reason::UserNotFound);
    }

    async fn the_same_roles_again_have_the_same_answer(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let ann = world.register("ann@example.org").await;
        let request = || Request::optional(&root.to_string(), "k", "users.SetRoles", &"admin".to_owned()).unwrap();
        for _ in 0..2 {
            let set = world.service.set_roles(&admin(root), &request(), ann.id, &all()).await.unwrap();
            assert_eq!((set.roles.admin, set.version), (true, 2));
        }
    }

    async fn only_admins_of_now_give_roles(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let (ann, bob) = (world.register("ann@example.org").await, world.register("bob@example.org").await);
        let denied = world.service.set_roles(&user(ann.id), &no_key(), ann.id, &all()).await;
        assert_eq!(reason(denied), Reason::PermissionDenied);
        let service = Caller::Service("movies".into());
        let denied = world.service.set_roles(&service, &no_key(), ann.id, &all()).await;
        assert_eq!(reason(denied), Reason::PermissionDenied);

        // A token that says admin outlives the role.
        world.set_roles(root, ann.id, &all()).await.unwrap();
        world.set_roles(root, ann.id, &none()).await.unwrap();
        assert_eq!(reason(world.set_roles(ann.id, ann.id, &all()).await), Reason::PermissionDenied);
        assert_eq!(reason(world.delete(&admin(ann.id), bob.id).await), Reason::PermissionDenied);
        world.delete(&admin(root), bob.id).await.unwrap();
        world.delete(&admin(ann.id), ann.id).await.unwrap();
    }

    async fn the_last_admin_stays(db: Db) {
        let world = World::new(db);
        let root = world.admin("root@example.org").await;
        let ann = world.register("ann@example.org").await;
        assert_eq!(reason(world.set_roles(root, root, &none()).await), Reason::LastAdmin);
        assert_eq!(reason(world.delete(&admin(root), root).await), Reason::LastAdmin);
        world.set_roles(root, root, &all()).await.unwrap();
        world.set_roles(root, ann.id, &all()).await.unwrap();
        world.delete(&admin(root), root).await.unwrap();
        assert_eq!(reason(world.delete(&admin(ann.id), ann.id).await), Reason::LastAdmin);
        assert_eq!(world.count(ADMINS).await, 1);
    }

    async fn side_by_side_one_admin_remains(db: Db) {
        let world = World::new(db);
        let mut root = world.admin("root@example.org").await;
        for round in 0..6 {
            let other = world.register(&format!("admin{round}@example.org")).await.id;
            world.set_roles(root, other, &all()).await.unwrap();
            let removals = [(root, root, true), (other, other, false), (root, other, true), (other, root, false)];
            let removals = removals.map(|(caller, target, by_roles)| {
                let service = world.service.clone();
                tokio::spawn(async move {
                    let caller = admin(caller);
                    match by_roles {
                        true => service.set_roles(&caller, &no_key(), target, &none()).await.map(drop),
                        false => service.delete_user(&caller, &no_key(), target).await,
                    }
                })
            });
            let removals = join_all(removals).await;
            assert!(removals.iter().any(|removal| removal.as_ref().unwrap().is_ok()));
            assert_eq!(world.count(ADMINS).await, 1);
            let accounts = world.service.list_users(&admin(root), None, None, 100).await.unwrap();
            root = accounts.into_iter().find(|account| account.roles.admin).unwrap().id;
        }
    }

    async fn the_first_admin_is_made_once(db: Db) {
        let world = World::new(db);
        let all = (0..6).map(|_| world.admin("Root@example.org"));
        let ids = join_all(all).await;
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(world.count(ADMINS).await, 1);
        assert!(world.login("root@example.org", PASSWORD).await.unwrap().account.roles.admin);
        assert!(world.service.bootstrap_admin("root", PASSWORD, "Root").await.is_err());
        assert!(world.service.bootstrap_admin("a@b.c", "password123", "Root").await.is_err());

        // Whoever registers the e-mail first does not become an admin by it.
        world.register("ann@example.org").await;
        let refused = world.service.bootstrap_admin("ann@example.org", PASSWORD, "Ann").await.unwrap_err();
        assert_eq!(moviebooking_proto::problem::reason_of(&refused), Some(Reason::EmailTaken));
        assert_eq!(world.count(ADMINS).await, 1);
    }

    async fn accounts_are_listed_oldest_first(db: Db) {
        let world = World::new(db);
        let mut ids = vec![world.admin("root@example.org").await];
        for i in 0..4 {
            world.pass(SignedDuration::from_secs(1));
            ids.push(world.register(&format!("Ann{i}@example.org")).await.id);
        }
        let root = admin(ids[0]);
        let list = async |email: Option<&str>, after, limit| -> Vec<UserId> {
            let email = email.map(super::email);
            let found = world.service.list_users(&root, email.as_ref(), after, limit).await.unwrap();
            found.into_iter().map(|account| account.id).collect()
        };
        assert_eq!(list(None, None, 10).await, ids);
        assert_eq!(list(None, None, 2).await, ids[..2]);
        assert_eq!(list(None, Some(ids[1]), 2).await, ids[2..4]);
        assert_eq!(list(Some("ANN2@example.org"), None, 10).await, [ids[3]]);
        assert_eq!(list(Some("ANN2@example.org"), Some(ids[3]), 10).await, []);
        let denied = world.service.list_users(&user(ids[1]), None, None, 10).await;
        assert_eq!(reason(denied), Reason::PermissionDenied);
    }
}
