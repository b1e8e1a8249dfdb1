//! Who may call what: every RPC of the descriptor set, by every kind of caller.
//!
//! [`cases::case`] has a case for each RPC. The walk fails where one has none, so an RPC cannot be added without a
//! decision about who may call it.

mod cases;
mod world;

use moviebooking_proto::access::{self, Level};
use tonic::{Code, Status};

use cases::{Case, case};
use world::World;

/// Who calls, in the order of the letters of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anonymous,
    /// A customer whose thing it is not.
    Stranger,
    /// The customer whose thing it is.
    Owner,
    /// Staff of another theater than the one that the thing belongs to.
    OtherStaff,
    /// Staff of the theater that the thing belongs to.
    Staff,
    Admin,
}

const EVERYBODY: [Who; 6] =
    [Who::Anonymous, Who::Stranger, Who::Owner, Who::OtherStaff, Who::Staff, Who::Admin];

/// What an answer says about authorisation: `U`nauthenticated, `D`enied, `N`ot found (a stranger's thing is not shown
/// to exist), or `A`llowed, which may still fail for another reason.
fn letter(outcome: &Result<serde_json::Value, Status>) -> char {
    match outcome {
        Ok(_) => 'A',
        Err(status) => match status.code() {
            Code::Unauthenticated => 'U',
            Code::PermissionDenied => 'D',
            Code::NotFound => 'N',
            Code::Internal | Code::Unknown | Code::Unavailable => panic!("{status:?}"),
            _ => 'A',
        },
    }
}

#[tokio::test]
async fn every_rpc_answers_each_kind_of_caller_as_its_case_says() {
    let world = World::make(crate::system()).await;
    let mut wrong = Vec::new();
    for method in access::methods().filter(|method| !method.parent_service().name().ends_with("Internal")) {
        let rpc = format!("{}.{}", method.parent_service().name(), method.name());
        let mut seen = String::new();
        let mut expected = "";
        for who in EVERYBODY {
            let Some(Case { letters, request, owner }) = case(&world, &rpc).await else {
                panic!("{rpc} has no authorisation case: add one to cases.rs");
            };
            expected = letters;
            let token = match (who, &owner) {
                (Who::Owner, Some(token)) => Some(token.as_str()),
                _ => world.token(who),
            };
            seen.push(letter(&world.grpc.call(&method, &request, token).await));
        }
        if seen != expected {
            wrong.push(format!("{rpc}: expected {expected}, saw {seen}"));
        }
    }
    assert!(wrong.is_empty(), "anonymous, stranger, owner, other staff, staff, admin:\n{}", wrong.join("\n"));
}

/// The gateway has no way to an internal RPC, whoever asks.
#[tokio::test]
async fn no_internal_rpc_is_reached_from_outside() {
    let world = World::make(crate::system()).await;
    let mut internal = 0;
    for method in access::methods() {
        let path = access::path(&method);
        if access::of(&path).is_some_and(|rule| rule.level == Level::Internal) {
            internal += 1;
            for who in [Who::Anonymous, Who::Owner, Who::Admin] {
                let outcome = world.grpc.call(&method, &serde_json::json!({}), world.token(who)).await;
                assert_eq!(outcome.unwrap_err().code(), Code::Unimplemented, "{path} {who:?}");
            }
        }
    }
    assert!(internal >= 5, "only {internal} internal RPCs");
}

/// Lists that everybody signed in may ask for show each only their own.
#[tokio::test]
async fn lists_show_nobody_what_is_somebody_elses() {
    let world = World::make(crate::system()).await;
    for (path, field) in
        [("/tickets", "tickets"), ("/payments", "payments"), ("/reservations", "reservations")]
    {
        let rows = |answer: serde_json::Value| answer[field].as_array().unwrap().len();
        let of_showtime = format!("{path}?showtimeId={}", world.showtime);
        let path = if field == "payments" { path } else { &of_showtime };
        assert!(rows(world.owner.get(path).await.ok()) > 0, "{path}");
        assert_eq!(rows(world.stranger.get(path).await.ok()), 0, "{path}");
    }
}
