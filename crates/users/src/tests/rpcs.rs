//! What the RPCs make of requests: fields, keys, pages and answers.

use moviebooking_proto::{
    problem::reason_of,
    users::v1::{self as wire, users_service_server::UsersService as _},
};
use moviebooking_store::testing::TestDb;
use prost_types::FieldMask;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::grpc::Grpc;

/// A handler on a database of its own.
struct Rpcs {
    grpc: Grpc,
    world: World,
    _database: TestDb,
}

async fn rpcs() -> Rpcs {
    let database = TestDb::sqlite(&crate::MIGRATIONS).await;
    let world = World::new(database.db().clone());
    Rpcs { grpc: Grpc::new(world.service.clone()), world, _database: database }
}

fn by<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

/// The fields that a refusal names.
fn fields<T>(result: Result<T, Status>) -> Vec<String> {
    let status = result.err().expect("it is refused");
    assert!(reason_of(&status).is_some());
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    violations.into_iter().flatten().map(|violation| violation.field).collect()
}

fn registration() -> wire::RegisterRequest {
    wire::RegisterRequest {
        email: "ann@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        display_name: " Ann ".to_owned(),
        request_id: "k".to_owned(),
    }
}

fn paths(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

#[tokio::test]
async fn the_way_of_a_customer() {
    let rpcs = rpcs().await;
    let grpc = &rpcs.grpc;
    let ann = grpc.register(Request::new(registration())).await.unwrap().into_inner();
    assert_eq!(
        (ann.email.as_str(), ann.display_name.as_str(), ann.etag.as_str()),
        ("ann@example.org", "Ann", "1")
    );
    assert_eq!(ann.roles, Some(wire::Roles::default()));
    assert_eq!(grpc.register(Request::new(registration())).await.unwrap().into_inner(), ann);

    let login = wire::LoginRequest { email: ann.email.clone(), password: PASSWORD.to_owned() };
    let session = grpc.login(Request::new(login)).await.unwrap().into_inner();
    assert_eq!((session.token_type.as_str(), session.expires_in), ("Bearer", 900));
    assert_eq!(session.user.as_ref(), Some(&ann));
    let refresh = wire::RefreshRequest { refresh_token: session.refresh_token };
    let session = grpc.refresh(Request::new(refresh.clone())).await.unwrap().into_inner();

    let me = user(ann.id.parse::<uuid::Uuid>().unwrap().into());
    assert_eq!(grpc.get_me(by(me.clone(), wire::GetMeRequest {})).await.unwrap().into_inner(), ann);
    let update = wire::UpdateUserRequest {
        user: Some(wire::User {
            id: ann.id.clone(),
            display_name: "Ann Lee".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let renamed = grpc.update_user(by(me.clone(), update)).await.unwrap().into_inner();
    assert_eq!((renamed.display_name.as_str(), renamed.email.as_str()), ("Ann Lee", "ann@example.org"));
    let moved = wire::ChangeEmailRequest {
        email: "ann.lee@example.org".to_owned(),
        current_password: PASSWORD.to_owned(),
        request_id: "e".to_owned(),
    };
    let moved = grpc.change_email(by(me.clone(), moved)).await.unwrap().into_inner();
    assert_eq!(moved.email, "ann.lee@example.org");
    let new = wire::ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: OTHER_PASSWORD.to_owned(),
        request_id: "k".to_owned(),
    };
    grpc.change_password(by(me.clone(), new)).await.unwrap();
    for token in [session.refresh_token.as_str(), "unreadable"] {
        grpc.logout(Request::new(wire::LogoutRequest { refresh_token: token.to_owned() })).await.unwrap();
    }
    let reused = grpc.refresh(Request::new(refresh)).await.unwrap_err();
    assert_eq!(reason_of(&reused), Some(Reason::InvalidRefreshToken));
    grpc.delete_user(by(me.clone(), wire::DeleteUserRequest { id: ann.id, ..Default::default() }))
        .await
        .unwrap();
    let gone = grpc.get_me(by(me, wire::GetMeRequest {})).await.unwrap_err();
    assert_eq!(reason_of(&gone), Some(Reason::UserNotFound));
    assert_eq!(
        grpc.get_jwks(Request::new(wire::GetJwksRequest {})).await.unwrap().into_inner().keys.len(),
        1
    );
}

#[tokio::test]
async fn fields_of_a_registration_are_checked() {
    let rpcs = rpcs().await;
    for (field, message) in [
        ("email", wire::RegisterRequest { email: "ann".to_owned(), ..registration() }),
        ("email", wire::RegisterRequest { email: "a\0@b.c".to_owned(), ..registration() }),
        ("password", wire::RegisterRequest { password: String::new(), ..registration() }),
        ("password", wire::RegisterRequest { password: "password123".to_owned(), ..registration() }),
        ("password", wire::RegisterRequest { password: "x".repeat(1_000_000), ..registration() }),
        ("display_name", wire::RegisterRequest { display_name: " ".to_owned(), ..registration() }),
        ("display_name", wire::RegisterRequest { display_name: "x".repeat(101), ..registration() }),
        ("request_id", wire::RegisterRequest { request_id: String::new(), ..registration() }),
        ("request_id", wire::RegisterRequest { request_id: "a b".to_owned(), ..registration() }),
    ] {
        assert_eq!(fields(rpcs.grpc.register(Request::new(message)).await), [field]);
    }
    let none = rpcs
        .grpc
        .register(Request::new(wire::RegisterRequest { request_id: String::new(), ..registration() }));
    assert_eq!(reason_of(&none.await.unwrap_err()), Some(Reason::IdempotencyKeyMissing));
    // A password may hold what a text may not.
    let odd = wire::RegisterRequest { password: "ten \0\n\u{202e} chars".to_owned(), ..registration() };
    rpcs.grpc.register(Request::new(odd)).await.unwrap();
}

#[tokio::test]
async fn fields_of_an_update_are_checked() {
    let rpcs = rpcs().await;
    let ann = rpcs.world.register("ann@example.org").await;
    let new = || wire::User { id: ann.id.to_string(), ..Default::default() };
    for (field, mask, changed) in [
        (
            "user.id",
            None,
            wire::User { id: "12".to_owned(), display_name: "x".to_owned(), ..Default::default() },
        ),
        ("update_mask", None, new()),
        ("update_mask", paths(&["roles"]), new()),
        ("user.display_name", paths(&["display_name"]), new()),
        ("user.email", paths(&["*"]), wire::User { display_name: "x".to_owned(), ..new() }),
        ("user.email", None, wire::User { email: "x".to_owned(), ..new() }),
        ("user.email", None, wire::User { email: "x@example.org".to_owned(), ..new() }),
        ("user.etag", None, wire::User { display_name: "x".to_owned(), etag: "\0".to_owned(), ..new() }),
        ("etag", None, wire::User { display_name: "x".to_owned(), etag: "7".to_owned(), ..new() }),
    ] {
        let message =
            wire::UpdateUserRequest { user: Some(changed), update_mask: mask, ..Default::default() };
        assert_eq!(fields(rpcs.grpc.update_user(by(user(ann.id), message)).await), [field]);
    }
    let nothing = by(user(ann.id), wire::UpdateUserRequest::default());
    assert_eq!(fields(rpcs.grpc.update_user(nothing).await), ["user"]);
}

#[tokio::test]
async fn fields_of_roles_are_checked() {
    let rpcs = rpcs().await;
    let root = rpcs.world.admin("root@example.org").await;
    let theater = uuid::Uuid::now_v7().to_string();
    let roles = |staff_of_theaters| Some(wire::Roles { admin: true, staff_of_theaters });
    for (field, id, roles) in [
        ("id", String::new(), roles(Vec::new())),
        ("roles", root.to_string(), None),
        ("roles.staff_of_theaters[1]", root.to_string(), roles(vec![theater.clone(), "x".to_owned()])),
        ("roles.staff_of_theaters", root.to_string(), roles(vec![theater.clone(); 101])),
    ] {
        let message = wire::SetRolesRequest { id, roles, request_id: String::new() };
        assert_eq!(fields(rpcs.grpc.set_roles(by(admin(root), message)).await), [field]);
    }
    let message = wire::SetRolesRequest {
        id: root.to_string(),
        roles: roles(vec![theater.clone(), theater.clone()]),
        request_id: "k".to_owned(),
    };
    let set = rpcs.grpc.set_roles(by(admin(root), message)).await.unwrap().into_inner();
    assert_eq!(set.roles, roles(vec![theater]));
}

#[tokio::test]
async fn a_list_has_pages() {
    let rpcs = rpcs().await;
    let root = rpcs.world.admin("root@example.org").await;
    for i in 0..4 {
        rpcs.world.register(&format!("ann{i}@example.org")).await;
    }
    let list = |message| rpcs.grpc.list_users(by(admin(root), message));
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = wire::ListUsersRequest { page_size: 2, page_token, ..Default::default() };
        let page = list(page).await.unwrap().into_inner();
        assert!(page.users.len() <= 2);
        seen.extend(page.users.into_iter().map(|user| user.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5);

    let one = wire::ListUsersRequest { email: "ANN1@example.org".to_owned(), ..Default::default() };
    assert_eq!(list(one).await.unwrap().into_inner().users.len(), 1);
    for (field, message) in [
        ("page_size", wire::ListUsersRequest { page_size: -1, ..Default::default() }),
        ("page_token", wire::ListUsersRequest { page_token: "x".to_owned(), ..Default::default() }),
        ("email", wire::ListUsersRequest { email: "x".to_owned(), ..Default::default() }),
    ] {
        assert_eq!(fields(list(message).await), [field]);
    }
}

#[tokio::test]
async fn fields_of_the_others_are_checked() {
    let rpcs = rpcs().await;
    let ann = user(rpcs.world.register("ann@example.org").await.id);
    let get = rpcs.grpc.get_user(by(ann.clone(), wire::GetUserRequest { id: "me".to_owned() }));
    assert_eq!(fields(get.await), ["id"]);
    let delete = rpcs.grpc.delete_user(by(ann.clone(), wire::DeleteUserRequest::default()));
    assert_eq!(fields(delete.await), ["id"]);
    for (field, current_password, new_password) in [
        ("current_password", "", PASSWORD),
        ("new_password", PASSWORD, ""),
        ("new_password", PASSWORD, "short"),
    ] {
        let message = wire::ChangePasswordRequest {
            current_password: current_password.to_owned(),
            new_password: new_password.to_owned(),
            ..Default::default()
        };
        assert_eq!(fields(rpcs.grpc.change_password(by(ann.clone(), message)).await), [field]);
    }
    for (field, email, password) in [("email", "ann", PASSWORD), ("current_password", "new@example.org", "")]
    {
        let message = wire::ChangeEmailRequest {
            email: email.to_owned(),
            current_password: password.to_owned(),
            ..Default::default()
        };
        assert_eq!(fields(rpcs.grpc.change_email(by(ann.clone(), message)).await), [field]);
    }
    let login = wire::LoginRequest { email: "ann@example.org".to_owned(), password: String::new() };
    assert_eq!(fields(rpcs.grpc.login(Request::new(login)).await), ["password"]);
    assert_eq!(
        fields(rpcs.grpc.refresh(Request::new(wire::RefreshRequest::default())).await),
        ["refresh_token"]
    );
    assert_eq!(
        fields(rpcs.grpc.logout(Request::new(wire::LogoutRequest::default())).await),
        ["refresh_token"]
    );
    let unreadable = wire::RefreshRequest { refresh_token: "x".to_owned() };
    let refused = rpcs.grpc.refresh(Request::new(unreadable)).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::InvalidRefreshToken));
    for caller in [Caller::Anonymous, Caller::Service("movies".into())] {
        assert!(rpcs.grpc.get_me(by(caller, wire::GetMeRequest {})).await.is_err());
    }
}
