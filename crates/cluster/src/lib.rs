//! A real Kubernetes on this machine, for tests. Its programs come from `cargo xtask test --install kube`; no container
//! registry is needed.
//!
//! [`ApiServer`] is etcd and kube-apiserver: what controllers, custom resources and access rules are tested against. It
//! is there in seconds and needs no rights. Nothing runs beside it: pods are accepted and never started, and what
//! controllers of Kubernetes itself do (garbage collection, Deployments, quotas) does not happen.

mod api_server;
mod authority;
mod place;
mod programs;

pub use api_server::ApiServer;
