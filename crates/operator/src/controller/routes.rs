//! What becomes of a platform's routes: its Gateway's controller says so in their status.

use std::collections::BTreeSet;

use kube::core::DynamicObject;
use serde_json::Value;

use crate::{
    api::State,
    apply::Live,
    build::{Scope, routes_asked_for},
    foreign::Foreign,
    graph::GATEWAY,
    object::Key,
};

/// Whether the Gateway takes the routes that are asked for; nothing where none are.
pub(super) fn accepted(scope: &Scope<'_>, live: &Live, served: &BTreeSet<Foreign>) -> Option<State> {
    let asked = routes_asked_for(scope);
    let parent = &scope.spec.gateway.routes.as_ref()?.parent_ref.name;
    let name = scope.object_name(GATEWAY);
    let missing = asked.iter().find(|kind| !served.contains(kind)).map(|kind| {
        let message = format!(
            "the API server knows no {}: install the Gateway API 1.1 or newer, or set spec.gateway.ingress instead",
            kind.kind()
        );
        State::fails("GatewayApiMissing", message)
    });
    let problem = missing.or_else(|| {
        asked.iter().find_map(|kind| {
            let key = Key { kind: kind.kind().to_owned(), name: name.clone() };
            problem(kind.kind(), &name, parent, live.get(&key))
        })
    });
    Some(
        problem.unwrap_or_else(|| State::holds("Accepted", format!("the Gateway {parent} takes the routes"))),
    )
}

/// What is wrong with a route, by what the controllers say that looked at it
/// (<https://gateway-api.sigs.k8s.io/reference/spec/#routeparentstatus>).
fn problem(kind: &str, name: &str, parent: &str, route: Option<&DynamicObject>) -> Option<State> {
    let generation = route.and_then(|route| route.metadata.generation);
    let parents = route.and_then(|route| route.data["status"]["parents"].as_array());
    let conditions: Vec<&Value> = parents
        .into_iter()
        .flatten()
        .filter_map(|parent| parent["conditions"].as_array())
        .flatten()
        .filter(|condition| condition["observedGeneration"].as_i64() >= generation)
        .collect();
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let holds = |condition: &Value, status: &str| condition["status"] == status;
    let refused = conditions.iter().find(|condition| {
        holds(condition, "False") && ["Accepted", "ResolvedRefs"].contains(&text(condition, "type").as_str())
    });
    if let Some(refused) = refused {
        let message = format!(
            "the Gateway {parent} does not take the {kind} {name}: {}: {}",
            text(refused, "reason"),
            text(refused, "message")
        );
        return Some(State::fails("RouteRefused", message));
    }
    let is_accepted =
        conditions.iter().any(|condition| condition["type"] == "Accepted" && holds(condition, "True"));
    (!is_accepted).then(|| {
        let message = format!(
            "nobody has looked at the {kind} {name} yet: is there a Gateway {parent}, and a controller of its class?"
        );
        State::fails("RoutePending", message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(conditions: &Value) -> Option<(&'static str, String)> {
        let mut route = DynamicObject::new("cinema-gateway", &Foreign::HttpRoute.resource());
        route.metadata.generation = Some(2);
        route.data = json!({ "status": { "parents": [{ "conditions": conditions }] } });
        let state = problem("HTTPRoute", "cinema-gateway", "edge", Some(&route))?;
        Some((state.reason, state.message))
    }

    #[test]
    fn a_route_counts_as_accepted_in_its_present_form_alone() {
        let condition = |type_: &str, status: &str, generation: i64| {
            json!({
                "type": type_, "status": status, "observedGeneration": generation, "reason": "NoMatchingParent",
                "message": "no listener of that name",
            })
        };
        assert_eq!(problem("HTTPRoute", "r", "edge", None).unwrap().reason, "RoutePending");
        assert_eq!(said(&json!([])).unwrap().0, "RoutePending");
        assert_eq!(said(&json!([condition("Accepted", "True", 1)])).unwrap().0, "RoutePending");
        assert_eq!(said(&json!([condition("Accepted", "True", 2)])), None);
        let (reason, message) = said(&json!([condition("Accepted", "False", 2)])).unwrap();
        assert_eq!(reason, "RouteRefused");
        let expected = "the Gateway edge does not take the HTTPRoute cinema-gateway: NoMatchingParent: no listener of that name";
        assert_eq!(message, expected);
        let unresolved = json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "False", 2)]);
        assert_eq!(said(&unresolved).unwrap().0, "RouteRefused");
    }
}
