//! The objects of one component around its pods.

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        autoscaling::v2::{
            CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
            MetricTarget, ResourceMetricSource,
        },
        core::v1::{PodTemplateSpec, Secret, Service, ServiceAccount, ServicePort, ServiceSpec},
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{
    gateway::{GRPC_PORT, HTTP_PORT},
    pod::{self, Bindings, SERVICE_SECRET},
    routes::routes_asked_for,
    scope::Scope,
};
use crate::{
    api::ServiceType,
    foreign::Foreign,
    graph::{Component, GATEWAY},
};

/// A roll-out that makes no progress for so long has failed.
const PROGRESS_BOUND_SECONDS: i32 = 300;

/// The secret that the services of the platform know each other by.
pub(super) fn service_secret(scope: &Scope<'_>, secret: &str) -> Secret {
    let (part, key) = SERVICE_SECRET;
    Secret {
        metadata: scope.metadata(part),
        type_: Some("Opaque".to_owned()),
        data: Some([(key.to_owned(), ByteString(secret.as_bytes().to_vec()))].into()),
        ..Secret::default()
    }
}

/// Who a component is for the API server, which it never talks to.
pub(super) fn service_account(scope: &Scope<'_>, component: &Component) -> ServiceAccount {
    ServiceAccount {
        metadata: scope.metadata(component.name),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The name of a component. That of a service stands for the addresses of all pods that are ready, because its callers
/// balance themselves; that of the gateway is for clients that do not.
pub(super) fn service(scope: &Scope<'_>, component: &Component) -> Service {
    let grpc = |port| ("grpc", port, Some("kubernetes.io/h2c"));
    let (type_, ports) = if component.name == GATEWAY {
        let type_ = match scope.spec.gateway.service_type {
            ServiceType::ClusterIP => "ClusterIP",
            ServiceType::NodePort => "NodePort",
            ServiceType::LoadBalancer => "LoadBalancer",
        };
        let grpc = routes_asked_for(scope).contains(&Foreign::GrpcRoute).then(|| grpc(GRPC_PORT));
        (type_, [("http", HTTP_PORT, None)].into_iter().chain(grpc).collect())
    } else {
        ("ClusterIP", vec![grpc(component.port)])
    };
    let port = |(name, port, protocol): (&str, u16, Option<&str>)| ServicePort {
        name: Some(name.to_owned()),
        // HTTP/2 without TLS alone, for service meshes and Gateways.
        app_protocol: protocol.map(str::to_owned),
        port: port.into(),
        target_port: Some(IntOrString::String("serving".to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: scope.metadata(component.name),
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            cluster_ip: (component.name != GATEWAY).then(|| "None".to_owned()),
            selector: Some(scope.selecting_labels(component.name)),
            ports: Some(ports.into_iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// One pod of a component at a time may be evicted; one that is not ready, at any time.
pub(super) fn disruption_budget(scope: &Scope<'_>, component: &Component) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: scope.metadata(component.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(scope.selector(component.name)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

/// Who decides how many replicas there are, where that is asked for.
pub(super) fn autoscaler(scope: &Scope<'_>, component: &Component) -> Option<HorizontalPodAutoscaler> {
    let autoscaling = scope.workload(component.name).autoscaling?;
    let target = MetricTarget {
        type_: "Utilization".to_owned(),
        average_utilization: Some(autoscaling.target_cpu_percent),
        ..MetricTarget::default()
    };
    Some(HorizontalPodAutoscaler {
        metadata: scope.metadata(component.name),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: scope.object_name(component.name),
            },
            min_replicas: Some(autoscaling.min_replicas),
            max_replicas: autoscaling.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource { name: "cpu".to_owned(), target }),
                ..MetricSpec::default()
            }]),
            ..HorizontalPodAutoscalerSpec::default()
        }),
        ..HorizontalPodAutoscaler::default()
    })
}

/// How many replicas of a component there are to be, unless an autoscaler decides.
pub(super) fn replicas(scope: &Scope<'_>, component: &Component) -> Option<i32> {
    let workload = scope.workload(component.name);
    workload.autoscaling.is_none().then(|| workload.replicas.unwrap_or(scope.spec.replicas))
}

/// The pods of a component; none is taken away before another one is ready in its place.
pub(super) fn deployment(
    scope: &Scope<'_>,
    component: &Component,
    bindings: &Bindings,
    annotations: &[(&str, String)],
) -> Deployment {
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: scope.metadata(component.name).labels,
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod::of_component(scope, component, bindings)),
    };
    let rolling_update = RollingUpdateDeployment {
        max_unavailable: Some(IntOrString::Int(0)),
        max_surge: Some(IntOrString::Int(1)),
    };
    Deployment {
        metadata: scope.metadata(component.name),
        spec: Some(DeploymentSpec {
            replicas: replicas(scope, component),
            selector: scope.selector(component.name),
            template,
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(rolling_update),
            }),
            progress_deadline_seconds: Some(PROGRESS_BOUND_SECONDS),
            revision_history_limit: Some(3),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}
