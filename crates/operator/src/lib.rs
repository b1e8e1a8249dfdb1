//! Runs the platform on Kubernetes: two custom resources and the controllers that make of them what they say.
//!
//! [`api`] is what people write.

pub mod api;
