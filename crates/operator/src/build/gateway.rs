//! The way in.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::scope::Scope;
use crate::{api::IssuerKind, graph::GATEWAY};

/// The port of the gateway's Service.
pub(super) const HTTP_PORT: u16 = 80;
/// The port of it that says to proxies that it speaks HTTP/2 without TLS, where a Gateway has a route for gRPC.
pub(super) const GRPC_PORT: u16 = 50051;

/// The Ingress before the gateway, where that is asked for.
pub(super) fn ingress(scope: &Scope<'_>) -> Option<Ingress> {
    let asked = scope.spec.gateway.ingress.as_ref()?;
    let mut metadata = scope.metadata(GATEWAY);
    let mut annotations = asked.annotations.clone();
    if let Some(issuer) = &asked.issuer {
        let kind = match issuer.kind {
            IssuerKind::Issuer => "cert-manager.io/issuer",
            IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
        };
        annotations.insert(kind.to_owned(), issuer.name.clone());
    }
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    let service = IngressServiceBackend {
        name: scope.object_name(GATEWAY),
        port: Some(ServiceBackendPort { name: Some("http".to_owned()), number: None }),
    };
    let path = HTTPIngressPath {
        backend: IngressBackend { service: Some(service), resource: None },
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
    };
    let tls = asked.tls_secret_name.as_ref().map(|secret| {
        vec![IngressTLS { hosts: Some(vec![asked.host.clone()]), secret_name: Some(secret.clone()) }]
    });
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: asked.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(asked.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls,
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

/// Where the platform is reached: by the host of its Ingress or routes, else within the cluster.
pub fn url(scope: &Scope<'_>) -> String {
    let gateway = &scope.spec.gateway;
    let ingress = gateway.ingress.as_ref().map(|ingress| (ingress.tls_secret_name.is_some(), &ingress.host));
    let routes = gateway.routes.as_ref().map(|routes| (routes.tls, &routes.host));
    match ingress.or(routes) {
        Some((true, host)) => format!("https://{host}"),
        Some((false, host)) => format!("http://{host}"),
        None => format!("http://{}.{}.svc", scope.object_name(GATEWAY), scope.namespace),
    }
}
