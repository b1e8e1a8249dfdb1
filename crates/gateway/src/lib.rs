//! The edge: REST, gRPC-Web and gRPC on one port; speaks only to the services' interfaces.
//!
//! Nothing here knows a single RPC. Routes, their JSON and the OpenAPI document are derived at start from the
//! `google.api.http` annotations in the descriptor set, so a new RPC needs no code in the gateway:
//!
//! * REST: a request's body, query, path and headers become the RPC's message, its answer becomes canonical proto3
//!   JSON, a stream becomes server-sent events, an error an RFC 9457 problem.
//! * gRPC and gRPC-Web: requests are passed to the owning service without decoding the message.
//!
//! In front of all three stand the same checks: who may call (the services check again), how large a request may be,
//! and how many are handled at once. RPCs between services are never routed.

mod annotation;
mod builtin;
mod check;
mod config;
mod cors;
mod gateway;
mod grpc;
mod headers;
mod limits;
mod names;
mod openapi;
mod origin;
mod problem;
mod reflection;
mod request;
mod response;
mod rest;
mod sse;
mod table;
mod template;
mod upstream;

pub use check::Check;
pub use config::{Config, Origin, OriginError};
pub use gateway::{Gateway, GatewayError};
pub use openapi::document as openapi_document;
pub use origin::ForwardedHeader;
pub use upstream::Upstreams;
