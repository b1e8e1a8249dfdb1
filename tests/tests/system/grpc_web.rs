//! One booking by unmodified gRPC-Web clients from npm, in text and in binary mode.

use std::{fs, path::Path, process::Stdio};

use tokio::process::Command;

async fn book(mode: &str) {
    let system = crate::system();
    let folder = tempfile::tempdir().unwrap();
    let descriptors = folder.path().join("descriptors.bin");
    fs::write(&descriptors, moviebooking_proto::DESCRIPTOR_SET).unwrap();
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("grpc-web/main.mjs");
    let output = Command::new("node")
        .arg(client)
        .arg(format!("http://{}", system.address))
        .arg(mode)
        .arg(descriptors)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("node is installed: cargo xtask test --install");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{mode}: {err}\n{out}");
    let booking: serde_json::Value = serde_json::from_str(&out).expect("JSON on standard output");
    assert!(booking.is_object(), "{booking}");
}

#[tokio::test]
async fn in_text_mode() {
    book("text").await;
}

#[tokio::test]
async fn in_binary_mode() {
    book("binary").await;
}
