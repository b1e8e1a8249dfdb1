//! The tables of what the gateway answers, made from the descriptor set at start. Everything that is wrong in an
//! annotation fails here, so a test that makes the tables guards every proto.

mod route;

use std::collections::HashMap;

use http::Method;
use moviebooking_proto::access::Level;
use prost_reflect::{DescriptorPool, MethodDescriptor};

pub(crate) use route::{Answer, Body, FieldPath, Key, Route};

use crate::{
    annotation::Annotations,
    builtin::Builtin,
    template::{Template, Tree},
};

/// Something is wrong with the descriptor set or an annotation in it.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The descriptor set lost its options.
    #[error("the descriptor set has no google.api.http annotations")]
    NoAnnotations,
    /// An RPC cannot be offered.
    #[error("{rpc}: {why}")]
    Rpc {
        /// The full name of the RPC.
        rpc: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What stands at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// A route, by its number.
    Route(usize),
    /// Something of the gateway's own.
    Builtin(Builtin),
}

/// An RPC that callers outside the platform may reach.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    /// The service that has it: `users`.
    pub(crate) service: String,
    /// Whether it answers with a stream.
    pub(crate) streams: bool,
}

/// The routes of REST and the RPCs of gRPC.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) routes: Vec<Route>,
    pub(crate) tree: Tree<Target>,
    /// By path: `/moviebooking.users.v1.UsersService/Login`.
    pub(crate) rpcs: HashMap<String, Rpc>,
}

impl Table {
    /// The table of every RPC in the pool that `access` does not keep inside the platform.
    pub(crate) fn new(
        pool: &DescriptorPool,
        access: impl Fn(&MethodDescriptor) -> Option<Level>,
    ) -> Result<Self, TableError> {
        let annotations = Annotations::of(pool).ok_or(TableError::NoAnnotations)?;
        let mut table = Self { routes: Vec::new(), tree: Tree::default(), rpcs: HashMap::new() };
        for builtin in Builtin::ALL {
            let template = Template { segments: builtin.segments() };
            table.tree.insert(&template, Method::GET, Target::Builtin(*builtin));
        }
        for rpc in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            table.add(&rpc, access(&rpc), &annotations).map_err(|why| wrong(&rpc, why))?;
        }
        // A descriptor set that was encoded without its options has no route, and nothing else fails.
        if table.routes.is_empty() { Err(TableError::NoAnnotations) } else { Ok(table) }
    }

    fn add(
        &mut self,
        rpc: &MethodDescriptor,
        level: Option<Level>,
        annotations: &Annotations,
    ) -> Result<(), String> {
        let bindings = annotations.bindings(rpc)?;
        let level = level.ok_or("has no access rule")?;
        if level == Level::Internal {
            let kept_inside = bindings.is_empty();
            return if kept_inside {
                Ok(())
            } else {
                Err("is INTERNAL and has a google.api.http annotation".to_owned())
            };
        }
        if bindings.is_empty() {
            return Err("has no google.api.http annotation".to_owned());
        }
        if rpc.is_client_streaming() {
            return Err(
                "takes a stream of requests, which no protocol but native gRPC could offer".to_owned()
            );
        }
        let service = service(rpc)?;
        for binding in bindings {
            let route = Route::new(rpc, level, service.clone(), &binding, annotations)?;
            let number = self.routes.len();
            if !self.tree.insert(&route.template, route.method.clone(), Target::Route(number)) {
                return Err(format!("another route has {} {}", route.method, route.template.shape()));
            }
            self.routes.push(route);
        }
        self.rpcs.insert(
            moviebooking_proto::access::path(rpc),
            Rpc { service, streams: rpc.is_server_streaming() },
        );
        Ok(())
    }
}

fn wrong(rpc: &MethodDescriptor, why: String) -> TableError {
    TableError::Rpc { rpc: rpc.full_name().to_owned(), why }
}

/// The service that owns an RPC: `users` of the package `moviebooking.users.v1`.
fn service(rpc: &MethodDescriptor) -> Result<String, String> {
    let service = rpc.parent_service();
    let name = service.package_name().split('.').rev().nth(1);
    name.map(str::to_owned)
        .ok_or_else(|| "is in a package that is not named moviebooking.<service>.v1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use moviebooking_proto::access;

    fn platform() -> Result<Table, TableError> {
        Table::new(access::pool(), |rpc| access::of(&access::path(rpc)).map(|rule| rule.level))
    }

    /// Compiles RPCs of a service `T` over messages `M` and answers what is wrong with them.
    fn refusal(rpcs: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
        let text = format!(
            "syntax = \"proto3\"; package moviebooking.test.v1; import \"google/api/annotations.proto\";
             message M {{ string id = 1; N n = 2; repeated string list = 3; map<string, string> map = 4; }}
             message N {{ string id = 1; }}
             service T {{ {rpcs} }}"
        );
        std::fs::write(folder.path().join("test.proto"), text).unwrap();
        let mut compiler = protox::Compiler::new([folder.path().to_str().unwrap(), proto]).unwrap();
        compiler.include_imports(true).open_files(["test.proto", "google/api/field_behavior.proto"]).unwrap();
        let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
        match Table::new(&pool, |rpc| {
            Some(if rpc.name() == "Inside" { Level::Internal } else { Level::Public })
        }) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_rpc_of_the_platform_has_a_route_or_stays_inside() {
        let table = platform().unwrap();
        let inside =
            access::methods().filter(|rpc| access::of(&access::path(rpc)).unwrap().level == Level::Internal);
        assert_eq!(table.rpcs.len() + inside.count(), access::methods().count());
        assert!(table.rpcs.keys().all(|path| !path.contains("Internal/")));
        assert!(table.routes.len() > 40, "{}", table.routes.len());
        let required = [
            (Method::GET, "/users/{id}"),
            (Method::GET, "/movies"),
            (Method::POST, "/reservations"),
            (Method::POST, "/payments/charge"),
        ];
        for (method, path) in required {
            let template = Template::parse(path).unwrap();
            assert!(
                table.routes.iter().any(|r| r.method == method && r.template == template),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn a_sound_annotation_with_more_than_one_binding_is_taken() {
        let rpc = |rule: &str| format!("rpc R(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}");
        assert_eq!(
            refusal(&rpc("get: \"/a/{n.id}\" additional_bindings { post: \"/a/{id}\" body: \"n\" }")),
            ""
        );
    }

    #[test]
    fn whatever_is_wrong_in_an_annotation_is_refused_by_name() {
        let rule =
            |rule: &str| format!("rpc R(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}");
        let cases = [
            (rule("get: \"/a/{missing}\""), "has no field missing"),
            (rule("get: \"/a/{n}\""), "is not a single value"),
            (rule("get: \"/a/{list}\""), "is not a single value"),
            (rule("get: \"/a/{id.x}\""), "has no fields of its own"),
            (rule("get: \"/a/{id}/{id}\""), "fills id twice"),
            (rule("get: \"/a/{id=*}\""), "patterns in variables are not supported"),
            (rule("get: \"/a/{id=x/*}\""), "neither plain text nor one variable"),
            (rule("post: \"/a/{id}:go\""), "neither plain text nor one variable"),
            (rule("get: \"/a\" body: \"*\""), "takes no body"),
            (rule("post: \"/a\" body: \"missing\""), "has no field missing"),
            (rule("post: \"/a\" body: \"id\""), "is not a single message"),
            (rule("post: \"/a\" body: \"map\""), "is not a single message"),
            (rule("post: \"/a\" body: \"*\" response_body: \"id\""), "response_body is not supported"),
            (rule("body: \"*\""), "names no method and path"),
            (rule("get: \"/a\" additional_bindings { get: \"/a\" }"), "another route has GET /a"),
            (rule("get: \"/healthz\""), "another route has GET /healthz"),
            ("rpc R(M) returns (M);".to_owned(), "has no google.api.http annotation"),
            (
                "rpc Inside(M) returns (M) { option (google.api.http) = { get: \"/a\" }; }".to_owned(),
                "is INTERNAL",
            ),
            (
                "rpc R(stream M) returns (M) { option (google.api.http) = { get: \"/a\" }; }".to_owned(),
                "a stream of",
            ),
            (String::new(), "no google.api.http annotations"),
        ];
        for (rpcs, expected) in cases {
            let refusal = refusal(&rpcs);
            assert!(refusal.contains(expected), "{rpcs}: {refusal:?}");
        }
    }

    #[test]
    fn a_descriptor_set_without_its_options_is_refused() {
        let set = prost_reflect::prost::Message::encode_to_vec(
            &<prost_types::FileDescriptorSet as prost::Message>::decode(moviebooking_proto::DESCRIPTOR_SET)
                .unwrap(),
        );
        let pool = DescriptorPool::decode(set.as_slice()).unwrap();
        assert!(Table::new(&pool, |_| Some(Level::Internal)).is_err());
    }
}
