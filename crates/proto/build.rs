//! Compiles every file below `proto/` without protoc: the descriptor set with its options, then messages, clients and
//! servers, and the types of events.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use protox::{prost::Message as _, prost_reflect::DescriptorPool};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true).open_files(&files)?;
    // `file_descriptor_set().encode_to_vec()` would drop the custom options without a word.
    let descriptor_set = compiler.encode_file_descriptor_set();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin"), &descriptor_set)?;

    let pool = DescriptorPool::decode(descriptor_set.as_slice())?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("event_types.rs"), event_types(&pool)?)?;

    let descriptors = prost_types_set(&descriptor_set)?;
    tonic_prost_build::configure().bytes(".google.api.HttpBody").compile_fds(descriptors)?;
    Ok(())
}

/// An `impl Event` for each message that says of which type of event it is the data.
fn event_types(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let option =
        pool.get_extension_by_name("moviebooking.events.v1.type").ok_or("no option for types of events")?;
    let mut code = String::new();
    for message in pool.all_messages().filter(|message| message.options().has_extension(&option)) {
        let name = message.options().get_extension(&option).as_str().unwrap_or_default().to_owned();
        let path = message.full_name().replace('.', "::");
        writeln!(code, "impl Event for crate::{path} {{ const TYPE: &'static str = {name:?}; }}")?;
    }
    Ok(code)
}

fn prost_types_set(bytes: &[u8]) -> Result<prost_types::FileDescriptorSet, protox::prost::DecodeError> {
    prost_types::FileDescriptorSet::decode(bytes)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
