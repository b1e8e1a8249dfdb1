//! What `helm test` runs.

use std::process::Command;

use moviebooking_tests::programs;

use crate::system;

#[test]
fn a_platform_that_serves_is_told_from_one_that_does_not() {
    let check = |url: &str| {
        let mut gateway = Command::new(programs().join("moviebooking-gateway"));
        gateway.args(["check", url, "--within=0"]).output().unwrap()
    };
    let serves = check(&format!("http://{}", system().address));
    assert!(serves.status.success(), "{}", String::from_utf8_lossy(&serves.stderr));

    let [port] = moviebooking_launch::free_ports().unwrap();
    for (url, code) in [(format!("http://127.0.0.1:{port}"), 69), ("cinema".to_owned(), 64)] {
        let refused = check(&url);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{error}");
        assert!(error.contains(&url), "{error}");
    }
}
