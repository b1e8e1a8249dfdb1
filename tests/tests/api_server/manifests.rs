//! An API server that has what manifests/ installs.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use moviebooking_cluster::ApiServer;
use moviebooking_launch::wait_until;

/// The API server.
pub(crate) struct Installed(ApiServer);

impl Installed {
    /// One that has nothing.
    pub(crate) fn empty() -> Self {
        Self(ApiServer::start().unwrap())
    }

    pub(crate) fn start() -> Self {
        let installed = Self::empty();
        let apply = |file: &str| {
            let path = format!("{}/../manifests/{file}", env!("CARGO_MANIFEST_DIR"));
            installed.kubectl(&["apply", "--server-side", "--validate=strict", "--filename", &path], "")
        };
        ok(&apply("operator.yaml"));
        let defined = "--for=condition=Established";
        ok(&installed.kubectl(&["wait", defined, "crd/moviebookingplatforms.moviebooking.dev"], ""));
        ok(&installed.kubectl(&["wait", defined, "crd/databaseclaims.moviebooking.dev"], ""));
        ok(&apply("platform.yaml"));
        installed
    }

    /// How programs reach it.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.0.kubeconfig()
    }

    /// Runs `kubectl` with something to read.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        run(self.0.kubectl().unwrap().args(arguments), input)
    }

    /// What the API server says to a resource.
    pub(crate) fn says_to(&self, resource: &str) -> String {
        self.says(&["create", "--dry-run=server", "--filename=-"], resource)
    }

    /// What the API server says at last: policies count some seconds after they were made.
    pub(crate) fn says_at_last(&self, resource: &str, expected: &str) {
        self.says_at_last_to(&["create", "--dry-run=server", "--filename=-"], resource, expected);
    }

    /// What `kubectl` writes at last.
    pub(crate) fn says_at_last_to(&self, arguments: &[&str], input: &str, expected: &str) {
        let mut said = String::new();
        let says_it = || {
            said = self.says(arguments, input);
            Ok(said.contains(expected))
        };
        let waited = wait_until(Duration::from_secs(30), expected, says_it);
        assert!(waited.is_ok(), "{said}");
    }

    /// All that `kubectl` writes.
    pub(crate) fn says(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(arguments, input);
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    }

    /// `kubectl` as another user.
    pub(crate) fn says_as(&self, user: &str, arguments: &[&str]) -> String {
        self.says(&[arguments, &["--as", user]].concat(), "")
    }
}

/// What a program printed that must have succeeded.
pub(crate) fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
