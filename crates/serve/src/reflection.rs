//! gRPC server reflection, so that tools such as grpcurl need no .proto files.

use crate::{StartError, metrics::know_methods};
use tonic::service::Routes;
use tonic_reflection::server::Builder;

/// `routes` with gRPC reflection (`v1`, and `v1alpha` for older tools) over `descriptor_set`, an encoded
/// `google.protobuf.FileDescriptorSet`. Only the services of `names`, health and reflection itself are listed. The
/// methods of all of its services are from then on known to metrics and traces.
///
/// # Errors
/// If the descriptor set does not decode.
pub fn add_reflection(
    routes: Routes,
    descriptor_set: &'static [u8],
    names: &[&str],
) -> Result<Routes, StartError> {
    know_methods(descriptor_set);
    let builder = || {
        let base = Builder::configure()
            .register_encoded_file_descriptor_set(descriptor_set)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names.iter().fold(base, |builder, name| builder.with_service_name(*name))
    };
    let broken =
        |error| StartError::software(format!("the embedded descriptor set does not decode: {error}"));
    let v1 = builder().with_service_name("grpc.reflection.v1.ServerReflection").build_v1().map_err(broken)?;
    let v1alpha = builder()
        .with_service_name("grpc.reflection.v1alpha.ServerReflection")
        .build_v1alpha()
        .map_err(broken)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}
