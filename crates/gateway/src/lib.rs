//! The edge: REST, gRPC-Web and gRPC on one port; speaks only to the services' interfaces
