//! What a platform works with: a payment provider, a broker of events, a collector of traces.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Who moves the money. With nobody named, a sandbox that takes test tokens.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Payments {
    /// Stripe: cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe: Option<Stripe>,
}

/// Stripe.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Stripe {
    /// Name of the Secret with the keys `key` (sk_… or rk_…) and `webhook-secret` (whsec_…, of the webhooks to
    /// /payments/webhooks/stripe).
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Page of yours to which banks send buyers back after they confirmed a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    #[x_kube(validation = Rule::new("isURL(self) && self.startsWith('https://')").message(
        "returnUrl: use a URL that begins with https://"
    ))]
    pub return_url: Option<String>,
}

/// Where events are published.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// NATS with JetStream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<Nats>,
}

/// NATS servers with JetStream, 2.10 or newer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Nats {
    /// The servers: nats://HOST:4222, or tls:// for TLS.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 300)))]
    #[x_kube(validation = Rule::new("self.all(server, server.matches('^(nats|tls)://[A-Za-z0-9.-]+(:[0-9]+)?$'))").message(
        "servers: use nats://HOST:PORT or tls://HOST:PORT; user and password belong into credentialsSecretName"
    ))]
    pub servers: Vec<String>,
    /// Name of the Secret whose key `credentials` holds a credentials file as `nsc` makes it, or USER:PASSWORD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_secret_name: Option<String>,
    /// Name of the Secret whose key `ca.crt` holds the authorities that the servers are verified by, instead of the
    /// well-known ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ca_secret_name: Option<String>,
}

/// Logs and traces.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// What is logged: error, warn, info, debug or trace, or directives such as info,moviebooking_users=debug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_:=,-]+$')").message(
        "log: use error, warn, info, debug or trace, or directives such as info,moviebooking_users=debug"
    ))]
    pub log: Option<String>,
    /// URL of a collector that takes traces over OTLP/gRPC, such as `http://collector.observability:4317`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    #[x_kube(validation = Rule::new("isURL(self) && self.matches('^https?://.+')").message(
        "otlpEndpoint: use a URL such as http://collector.observability:4317"
    ))]
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that are recorded, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub trace_sample_percent: Option<i32>,
}
