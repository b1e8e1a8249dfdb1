//! Calls by service, method and code, on either side.

use super::{durations, gauge};
use prometheus::{Histogram, HistogramVec, IntGauge, IntGaugeVec};
use prost::Message;
use prost_types::{FileDescriptorSet, MethodOptions, method_options::IdempotencyLevel};
use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tonic::Code;

/// The codes of gRPC by their numbers, which are 0 to 16.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of `code` in gRPC's specification.
pub(crate) fn code_name(code: Code) -> &'static str {
    CODES.get(code as usize).copied().unwrap_or("UNKNOWN")
}

/// A method of a known service: whether it may be repeated, and where its metrics are.
pub(crate) struct Method {
    /// The service's full name, `moviebooking.users.v1.UsersService`.
    pub(crate) service: String,
    /// The method's name, `GetUser`.
    pub(crate) name: String,
    /// Both as a request's path has them, `/moviebooking.users.v1.UsersService/GetUser`.
    pub(crate) path: String,
    /// Whether a call may be made again that may have been carried out: what its proto says as `idempotency_level`.
    pub(crate) idempotent: bool,
    /// Calls answered.
    pub(crate) server: Series,
    /// Calls made.
    pub(crate) client: Series,
}

/// The metrics of one method on one side; each is looked up once.
pub(crate) struct Series {
    family: &'static LazyLock<Family>,
    in_flight: OnceLock<IntGauge>,
    durations: [OnceLock<Histogram>; CODES.len()],
}

struct Family {
    duration: HistogramVec,
    in_flight: IntGaugeVec,
}

static SERVER: LazyLock<Family> = LazyLock::new(|| Family {
    duration: durations(
        "moviebooking_rpc_server_duration_seconds",
        "Calls answered, until the last byte.",
        &["service", "method", "code"],
    ),
    in_flight: gauge("moviebooking_rpc_server_in_flight", "Calls being answered.", &["service", "method"]),
});

static CLIENT: LazyLock<Family> = LazyLock::new(|| Family {
    duration: durations(
        "moviebooking_rpc_client_duration_seconds",
        "Calls made to other services, until the last byte.",
        &["service", "method", "code"],
    ),
    in_flight: gauge(
        "moviebooking_rpc_client_in_flight",
        "Calls to other services that wait for an answer.",
        &["service", "method"],
    ),
});

impl Method {
    fn new(service: &str, name: &str, idempotent: bool) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            path: format!("/{service}/{name}"),
            idempotent,
            server: Series::new(&SERVER),
            client: Series::new(&CLIENT),
        }
    }

    pub(crate) fn begin(&self, series: &Series) {
        let gauge = || series.family.in_flight.with_label_values(&[&*self.service, &*self.name]);
        series.in_flight.get_or_init(gauge).inc();
    }

    pub(crate) fn end(&self, series: &Series, code: Code, elapsed: Duration) {
        if let Some(in_flight) = series.in_flight.get() {
            in_flight.dec();
        }
        let Some(slot) = series.durations.get(code as usize) else { return };
        let labels = [&*self.service, &*self.name, code_name(code)];
        slot.get_or_init(|| series.family.duration.with_label_values(&labels)).observe(elapsed.as_secs_f64());
    }
}

impl Series {
    fn new(family: &'static LazyLock<Family>) -> Self {
        Self { family, in_flight: OnceLock::new(), durations: [const { OnceLock::new() }; CODES.len()] }
    }
}

static METHODS: LazyLock<RwLock<HashMap<&'static str, &'static Method>>> = LazyLock::new(RwLock::default);

/// Makes the methods of the services in `descriptor_set` (an encoded `google.protobuf.FileDescriptorSet`) known to
/// metrics, traces and links; all others are `other` there. [`add_reflection`](crate::add_reflection) does it for what it is
/// given, so only a process without reflection calls this. What does not decode is passed over.
pub fn know_methods(descriptor_set: &[u8]) {
    let Ok(set) = FileDescriptorSet::decode(descriptor_set) else { return };
    let mut known = METHODS.write().unwrap_or_else(PoisonError::into_inner);
    for file in &set.file {
        for service in &file.service {
            let name = match file.package() {
                "" => service.name().to_owned(),
                package => format!("{package}.{}", service.name()),
            };
            for method in &service.method {
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                let idempotent = level.is_some_and(|level| level != IdempotencyLevel::IdempotencyUnknown);
                let method = Method::new(&name, method.name(), idempotent);
                if !known.contains_key(&*method.path) {
                    // For the life of the process: there are as many as the program has.
                    let method: &'static Method = Box::leak(Box::new(method));
                    known.insert(&method.path, method);
                }
            }
        }
    }
}

/// The method at `path`, if it is known.
pub(crate) fn find_known(path: &str) -> Option<&'static Method> {
    METHODS.read().unwrap_or_else(PoisonError::into_inner).get(path).copied()
}

/// The method at `path`, or the one that stands for all that are not known.
pub(crate) fn find(path: &str) -> &'static Method {
    static OTHER: LazyLock<Method> = LazyLock::new(|| Method::new("other", "other", false));
    find_known(path).unwrap_or_else(|| &OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_descriptors_and_others_share_one_name() {
        know_methods(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let check = find("/grpc.health.v1.Health/Check");
        assert_eq!((&*check.service, &*check.name), ("grpc.health.v1.Health", "Check"));
        for path in ["/grpc.health.v1.Health/Chec", "/made.up/Method", "", "/"] {
            assert_eq!(find(path).path, "/other/other", "{path}");
        }
    }

    #[test]
    fn codes_have_their_names() {
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::ResourceExhausted), "RESOURCE_EXHAUSTED");
        assert_eq!(code_name(Code::Unauthenticated), "UNAUTHENTICATED");
    }
}
