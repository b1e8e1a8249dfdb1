//! Requests made from the OpenAPI document: none gets a 5xx or an answer that the document forbids.

use std::{env, process::Stdio};

use moviebooking_tests::System;
use tokio::process::Command;

/// Some thousand requests in a minute or two; a failure prints the curl command that repeats it.
const EXAMPLES_PER_OPERATION: &str = "25";

#[tokio::test]
async fn no_request_gets_a_5xx_or_an_answer_that_the_document_forbids() {
    let program = env::var_os("MOVIEBOOKING_TEST_SCHEMATHESIS")
        .expect("MOVIEBOOKING_TEST_SCHEMATHESIS names the program: run `cargo xtask test --install`");
    // A platform of its own: the requests may delete whatever an admin can.
    let system = System::start();
    let admin = system.admin().await;
    let token = admin.token().expect("an admin who is signed in");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .current_dir(&folder)
        .arg("run")
        .arg(format!("http://{}/openapi.json", system.address))
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", EXAMPLES_PER_OPERATION])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_headers_conformance,response_schema_conformance"])
        .args(["--suppress-health-check", "all", "--request-timeout", "20", "--seed", "1", "--no-color"])
        // A stream of events never ends by itself; `booking` follows it.
        .args(["--exclude-path-regex", "watch$"])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("schemathesis starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("Summary") || printed.contains("SUMMARY"), "{printed}");
}
