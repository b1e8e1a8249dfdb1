//! The comments in the protos, which are the documentation.

use std::collections::HashMap;

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

/// The comments before each thing in the protos.
#[derive(Debug)]
pub struct Comments {
    /// By file and position in it, as `SourceCodeInfo.Location.path` has it.
    texts: HashMap<(String, Vec<i32>), String>,
}

impl Default for Comments {
    fn default() -> Self {
        let mut texts = HashMap::new();
        for file in crate::access::pool().files() {
            let Some(source) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &source.location {
                if let Some(comment) = &location.leading_comments {
                    texts.insert((file.name().to_owned(), location.path.clone()), one_text(comment));
                }
            }
        }
        Self { texts }
    }
}

impl Comments {
    /// The comment of a service.
    pub fn of_service(&self, service: &ServiceDescriptor) -> String {
        self.at(service.parent_file().name(), service.path())
    }

    /// The comment of an RPC.
    pub fn of_rpc(&self, rpc: &MethodDescriptor) -> String {
        self.at(rpc.parent_service().parent_file().name(), rpc.path())
    }

    /// The comment of a message.
    pub fn of_message(&self, message: &MessageDescriptor) -> String {
        self.at(message.parent_file().name(), message.path())
    }

    /// The comment of a field.
    pub fn of_field(&self, field: &FieldDescriptor) -> String {
        self.at(field.parent_message().parent_file().name(), field.path())
    }

    /// The comment of an enum with what its values mean.
    pub fn of_enum(&self, names: &EnumDescriptor) -> String {
        let file = names.parent_file();
        let value = |value: EnumValueDescriptor| {
            let comment = self.at(file.name(), value.path());
            (!comment.is_empty()).then(|| format!("* `{}`: {comment}", value.name()))
        };
        let values: Vec<String> = names.values().filter_map(value).collect();
        let comment = self.at(file.name(), names.path());
        if values.is_empty() {
            comment
        } else {
            format!("{comment}\n\n{}", values.join("\n")).trim().to_owned()
        }
    }

    fn at(&self, file: &str, path: &[i32]) -> String {
        self.texts.get(&(file.to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }
}

/// A comment without its line breaks, which are where the proto's lines end; empty lines part paragraphs.
fn one_text(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|paragraph| {
        paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}
