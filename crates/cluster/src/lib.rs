//! A real Kubernetes on this machine, for tests. Its programs come from `cargo xtask test --install kube`, and a node's
//! from `cargo xtask test --install cluster`; no container registry is needed.
//!
//! - [`ApiServer`] is etcd and kube-apiserver: what controllers, custom resources and access rules are tested against. It
//!   is there in seconds and needs no rights. Nothing runs beside it: pods are accepted and never started, and what
//!   controllers of Kubernetes itself do (garbage collection, Deployments, quotas) does not happen.
//! - [`Node`] is a whole cluster of one node, which runs pods. It needs root, and has a network of its own.
//!
//! What a node does not do: network policies are accepted and not enforced, because the bridge of the network's plug-in
//! knows none; there is no way out of the network, no load balancer and no controller for Ingress.

mod api_server;
mod audit;
mod authority;
mod machine;
mod node;
mod place;
mod programs;

pub use api_server::ApiServer;
pub use audit::Request;
pub use node::{Node, load};
