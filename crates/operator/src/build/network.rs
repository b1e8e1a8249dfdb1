//! Who may reach whom: what the call graph says and no more.
//!
//! Metrics may be read by every pod of the cluster, because nobody knows where Prometheus is, and the gateway reached by
//! everybody.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};

use super::{
    Observed,
    backup::BACKUP,
    cloud_native_pg::{self, CLUSTER_LABEL},
    database::{POSTGRES_PORT, SERVER, SETUP, databases},
    rollout::MIGRATION,
    scope::{INSTANCE, NAME, Scope},
};
use crate::graph::{COMPONENTS, Component, GATEWAY, METRICS_PORT, PAYMENTS, callers, component};

/// The policies of a platform: one for each component, one for all migrations, and those of its server.
pub(super) fn policies(scope: &Scope<'_>, observed: &Observed) -> Vec<NetworkPolicy> {
    let mut policies: Vec<_> =
        COMPONENTS.iter().map(|component| of_component(scope, component, observed)).collect();
    let all_databases: Vec<&str> = databases(scope.spec).map(|(_, database)| database).collect();
    let migrations = [vec![name_service()], to_databases(scope, observed, &all_databases)].concat();
    policies.push(policy(scope, MIGRATION, Vec::new(), migrations));
    if scope.spec.databases.own_server().is_some() {
        let clients =
            COMPONENTS.iter().filter(|component| component.database).map(|component| component.name);
        let backup = scope.spec.backup.as_ref().map(|_| BACKUP);
        let clients: Vec<&str> = clients.chain([MIGRATION, SETUP]).chain(backup).collect();
        let incoming = ingress(Some(vec![pods(scope, &clients)]), POSTGRES_PORT);
        policies.push(policy(scope, SERVER, vec![incoming], Vec::new()));
        let outgoing = vec![name_service(), egress(Some(vec![pods(scope, &[SERVER])]), POSTGRES_PORT)];
        for client in [SETUP].into_iter().chain(backup) {
            policies.push(policy(scope, client, Vec::new(), outgoing.clone()));
        }
    }
    policies
}

fn of_component(scope: &Scope<'_>, component: &Component, observed: &Observed) -> NetworkPolicy {
    let callers: Vec<&str> = callers(component.name).map(|caller| caller.name).collect();
    let mut incoming = Vec::new();
    if component.name == GATEWAY {
        incoming.push(ingress(None, component.port));
    } else if !callers.is_empty() {
        incoming.push(ingress(Some(vec![pods(scope, &callers)]), component.port));
    }
    let everywhere = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    };
    incoming.push(ingress(Some(vec![everywhere]), METRICS_PORT));

    let mut outgoing = vec![name_service()];
    for called in component.calls.iter().filter_map(|name| self::component(name)) {
        outgoing.push(egress(Some(vec![pods(scope, &[called.name])]), called.port));
    }
    let own = databases(scope.spec).filter(|(owner, _)| *owner == component.name);
    let own: Vec<&str> = own.map(|(_, database)| database).collect();
    outgoing.extend(to_databases(scope, observed, &own));
    let spec = scope.spec;
    if component.database {
        let servers = spec.events.nats.iter().flat_map(|nats| &nats.servers);
        outgoing.extend(distinct(servers.filter_map(|url| port_of(url))).map(|port| egress(None, port)));
    }
    if let Some(port) = spec.telemetry.otlp_endpoint.as_deref().and_then(port_of) {
        outgoing.push(egress(None, port));
    }
    if component.calls_outside {
        outgoing.extend([80, 443].map(to_the_world));
    }
    if component.name == PAYMENTS && spec.payments.stripe.is_some() {
        outgoing.push(to_the_world(443));
    }
    policy(scope, component.name, incoming, outgoing)
}

/// To the servers of databases: the platform's own, those of a Cluster, or to a port of whichever machine where somebody else runs them.
fn to_databases(scope: &Scope<'_>, observed: &Observed, databases: &[&str]) -> Vec<NetworkPolicyEgressRule> {
    if databases.is_empty() {
        return Vec::new();
    }
    let spec = &scope.spec.databases;
    if spec.own_server().is_some() {
        return vec![egress(Some(vec![pods(scope, &[SERVER])]), POSTGRES_PORT)];
    }
    if let Some(asked) = &spec.cloud_native_pg {
        let cluster = (CLUSTER_LABEL.to_owned(), cloud_native_pg::cluster_name(scope, asked));
        let selector = LabelSelector { match_labels: Some([cluster].into()), ..LabelSelector::default() };
        let pods = NetworkPolicyPeer { pod_selector: Some(selector), ..NetworkPolicyPeer::default() };
        return vec![egress(Some(vec![pods]), POSTGRES_PORT)];
    }
    let ports = databases.iter().filter_map(|database| observed.claims.get(database)?.port);
    distinct(ports).map(|port| egress(None, port)).collect()
}

fn policy(
    scope: &Scope<'_>,
    part: &str,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: scope.metadata(part),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(scope.selector(part)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: (!egress.is_empty()).then_some(egress),
        }),
    }
}

/// The pods of some parts of the platform.
fn pods(scope: &Scope<'_>, parts: &[&str]) -> NetworkPolicyPeer {
    let one_of = LabelSelectorRequirement {
        key: NAME.to_owned(),
        operator: "In".to_owned(),
        values: Some(parts.iter().map(|&part| part.to_owned()).collect()),
    };
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector {
            match_labels: Some([(INSTANCE.to_owned(), scope.name.to_owned())].into()),
            match_expressions: Some(vec![one_of]),
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// From these, or from everybody.
fn ingress(from: Option<Vec<NetworkPolicyPeer>>, port: u16) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from, ports: Some(vec![tcp(port)]) }
}

/// To these, or to everybody.
fn egress(to: Option<Vec<NetworkPolicyPeer>>, port: u16) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to, ports: Some(vec![tcp(port)]) }
}

/// To machines that are none of the cluster's, as far as addresses that are private by convention tell.
fn to_the_world(port: u16) -> NetworkPolicyEgressRule {
    let block = |cidr: &str, except: &[&str]| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except.iter().map(|&cidr| cidr.to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    };
    let private = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
    egress(Some(vec![block("0.0.0.0/0", &private), block("::/0", &["fc00::/7", "fe80::/10"])]), port)
}

/// To whoever looks up names for the cluster.
fn name_service() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort { protocol: Some(protocol.to_owned()), ..tcp(53) };
    NetworkPolicyEgressRule { to: None, ports: Some(vec![port("UDP"), port("TCP")]) }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    }
}

/// The port of a URL, or that of its scheme.
fn port_of(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => Some(4222),
        },
    }
}

/// Each once, in order.
fn distinct(ports: impl Iterator<Item = u16>) -> impl Iterator<Item = u16> {
    ports.collect::<std::collections::BTreeSet<_>>().into_iter()
}
