//! Who may reach whom, computed from the policies as a network would, and compared with the call graph.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::*;
use crate::build::scope::labels;

type Labels = BTreeMap<String, String>;

fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    let is_one_of = selector.match_expressions.iter().flatten().all(|requirement| {
        assert_eq!(requirement.operator, "In");
        let values = requirement.values.as_ref().unwrap();
        labels.get(&requirement.key).is_some_and(|value| values.contains(value))
    });
    selector.match_labels.iter().flatten().all(equal) && is_one_of
}

/// Whether a rule's peers contain pods with these labels in the platform's namespace.
fn contain(peers: Option<&Vec<NetworkPolicyPeer>>, labels: &Labels) -> bool {
    peers.is_none_or(|peers| {
        peers.iter().any(|peer| {
            let pods = peer.pod_selector.as_ref().is_none_or(|selector| selects(selector, labels));
            // Addresses of the world are no pods'.
            peer.ip_block.is_none() && pods
        })
    })
}

fn names(ports: Option<&Vec<NetworkPolicyPort>>, port: u16) -> bool {
    ports.unwrap().iter().any(|named| {
        named.port == Some(IntOrString::Int(port.into())) && named.protocol.as_deref() == Some("TCP")
    })
}

fn may_call(policies: &BTreeMap<String, NetworkPolicy>, from: &Labels, to: &Labels, port: u16) -> bool {
    let of = |labels: &Labels| -> Vec<_> {
        let specs = policies.values().map(|policy| policy.spec.clone().unwrap());
        specs.filter(|spec| selects(spec.pod_selector.as_ref().unwrap(), labels)).collect()
    };
    let (outgoing, incoming) = (of(from), of(to));
    let lets_out = outgoing.is_empty()
        || outgoing
            .iter()
            .flat_map(|spec| spec.egress.iter().flatten())
            .any(|rule| contain(rule.to.as_ref(), to) && names(rule.ports.as_ref(), port));
    let lets_in = incoming.is_empty()
        || incoming
            .iter()
            .flat_map(|spec| spec.ingress.iter().flatten())
            .any(|rule| contain(rule.from.as_ref(), from) && names(rule.ports.as_ref(), port));
    lets_out && lets_in
}

#[test]
fn components_reach_whom_they_call_and_nobody_else() {
    let spec = json!({ "version": "0.1.0", "backup": { "schedule": "@daily", "claimName": "backups" } });
    let plan = plan(&platform(spec), &databases_ready()).unwrap();
    let policies = all::<NetworkPolicy>(&plan);
    let pods = |part: &str| labels("cinema", part);
    let clients =
        COMPONENTS.iter().map(|component| component.name).chain(["migration", "database-setup", "backup"]);
    let mut found = BTreeSet::new();
    let mut expected = BTreeSet::new();
    for from in clients.clone() {
        for to in &COMPONENTS {
            if may_call(&policies, &pods(from), &pods(to.name), to.port) {
                found.insert((from, to.name));
            }
        }
        if may_call(&policies, &pods(from), &pods("postgresql"), 5432) {
            found.insert((from, "postgresql"));
        }
    }
    for component in &COMPONENTS {
        expected.extend(component.calls.iter().map(|called| (component.name, *called)));
        if component.database {
            expected.insert((component.name, "postgresql"));
        }
    }
    expected.extend(["migration", "database-setup", "backup"].map(|client| (client, "postgresql")));
    // Nothing goes out of the gateway to itself, nor from the database anywhere.
    assert_eq!(found, expected);
    for to in &COMPONENTS {
        assert!(!may_call(&policies, &pods("postgresql"), &pods(to.name), to.port));
    }
}

#[test]
fn strangers_reach_the_gateway_and_metrics_alone() {
    let plan = plan(&platform(json!({ "version": "0.1.0" })), &databases_ready()).unwrap();
    let policies = all::<NetworkPolicy>(&plan);
    let (stranger, other) = (Labels::new(), labels("other", "users"));
    for from in [&stranger, &other] {
        for to in &COMPONENTS {
            let is_gateway = to.name == "gateway";
            assert_eq!(
                may_call(&policies, from, &labels("cinema", to.name), to.port),
                is_gateway,
                "{}",
                to.name
            );
            assert!(may_call(&policies, from, &labels("cinema", to.name), 9464));
        }
        assert!(!may_call(&policies, from, &labels("cinema", "postgresql"), 5432));
    }
}

#[test]
fn there_are_none_unless_they_are_asked_for() {
    let plan =
        plan(&platform(json!({ "version": "0.1.0", "networkPolicies": false })), &databases_ready()).unwrap();
    assert!(all::<NetworkPolicy>(&plan).is_empty());
}
