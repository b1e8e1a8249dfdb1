//! Runs the platform on Kubernetes: two custom resources and the controllers that make of them what they say.
//!
//! [`api`] is what people write. [`graph`] says what a platform consists of and who calls whom. A look at a resource goes
//! through stages: what is known of its surroundings is read, [`build`] makes the objects of it without a cluster,
//! [`apply`] sends what differs, and the status says how it went; [`controller`] does one after another. [`rbac`] is what
//! all of it must be allowed to do.

pub mod api;
pub mod apply;
pub mod build;
pub mod controller;
pub mod foreign;
pub mod graph;
pub mod metrics;
pub mod object;
pub mod rbac;
