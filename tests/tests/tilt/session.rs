//! Tilt, and what is built for it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use moviebooking_launch::Process;
use moviebooking_tests::{run, said};
use serde_json::Value;
use tempfile::TempDir;

const NAMESPACE: &str = "moviebooking-development";
const PLATFORM: &str = "mbp/cinema";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --install tilt`"))
}

/// The programs that Tilt takes, in a folder of the test's own.
pub(crate) struct Programs(TempDir);

impl Programs {
    /// Those that cargo has built.
    pub(crate) fn built() -> Self {
        // Beside the others, where they need not be copied.
        let folder = tempfile::tempdir_in(moviebooking_tests::programs()).unwrap();
        for program in fs::read_dir(moviebooking_tests::programs()).unwrap() {
            let program = program.unwrap();
            let name = program.file_name().into_string().unwrap();
            if name.starts_with("moviebooking-") && !name.contains('.') {
                fs::hard_link(program.path(), folder.path().join(name)).unwrap();
            }
        }
        Self(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Puts another program in the place of one, which says something else of the same length.
    pub(crate) fn replace_in(&self, name: &str, old: &str, new: &str) {
        assert_eq!(old.len(), new.len());
        let path = self.0.path().join(name);
        let mut program = fs::read(&path).unwrap();
        let found = program.windows(old.len()).position(|words| words == old.as_bytes()).unwrap();
        program[found..found + new.len()].copy_from_slice(new.as_bytes());
        let newer = self.0.path().join("newer");
        fs::write(&newer, program).unwrap();
        fs::set_permissions(&newer, fs::metadata(&path).unwrap().permissions()).unwrap();
        fs::rename(newer, path).unwrap();
    }
}

/// What Tilt is run with.
pub(crate) struct Session<'a> {
    programs: &'a Path,
    /// Where it keeps what it knows of a person.
    home: TempDir,
}

impl<'a> Session<'a> {
    pub(crate) fn new(programs: &'a Path) -> Self {
        Self { programs, home: tempfile::tempdir().unwrap() }
    }

    fn tilt(&self, task: &[&str]) -> Command {
        let mut tilt = Command::new(variable("MOVIEBOOKING_TEST_TILT"));
        // What is started in the background works in a folder and an environment of its own.
        tilt.args(task).args(["--file", concat!(env!("CARGO_MANIFEST_DIR"), "/../Tiltfile")]);
        tilt.envs(std::env::vars_os()).env("HOME", self.home.path());
        tilt.args(["--web-mode=embedded", "--", "--programs"]).arg(self.programs);
        tilt.args(["--postgres", &variable("MOVIEBOOKING_POSTGRES_IMAGE")]);
        tilt
    }

    /// Runs `tilt ci`, which ends when everything is ready.
    pub(crate) fn ci(&self) {
        let output = self.tilt(&["ci", "--timeout=15m"]).output().unwrap();
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "tilt ci: {}\n{}", said.concat(), self.state());
        assert!(said.concat().contains("All workloads are healthy"), "{}", said.concat());
    }

    /// Starts `tilt up`.
    pub(crate) fn up(&self) -> Process {
        Process::start(&self.tilt(&["up", "--stream"]), &self.home.path().join("tilt.log")).unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["--namespace", NAMESPACE]).args(arguments).output().unwrap()
    }

    /// Runs a command of a service's program in its pod.
    pub(crate) fn command(&self, service: &str, words: &[&str], input: &[u8]) {
        let mut exec = Command::new("kubectl");
        exec.args(["exec", "--stdin", "--namespace", NAMESPACE, &format!("deployment/cinema-{service}")]);
        exec.args(["--", "/usr/local/bin/moviebooking"]).args(words);
        said(&run(&mut exec, input), &format!("{service} {words:?}"));
    }

    fn get(&self, arguments: &[&str]) -> Value {
        let output = self.kubectl(&[&["get", "--output=json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// The generation of the platform's resource: another one after each change of it.
    pub(crate) fn generation(&self) -> Option<i64> {
        self.get(&[PLATFORM])["metadata"]["generation"].as_i64()
    }

    /// Whether the platform is ready as its resource is now.
    pub(crate) fn is_ready(&self) -> bool {
        let platform = self.get(&[PLATFORM]);
        let conditions = platform["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|condition| {
            condition["type"] == "Ready"
                && condition["status"] == "True"
                && condition["observedGeneration"] == platform["metadata"]["generation"]
        })
    }

    /// The name of a service's pod, and how often its containers were started again.
    pub(crate) fn pod(&self, service: &str) -> Vec<(String, i64)> {
        let selector = format!("--selector=app.kubernetes.io/name={service}");
        let pods = self.get(&["pods", &selector, "--field-selector=status.phase=Running"]);
        let pods = pods["items"].as_array().unwrap().iter();
        pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| {
                let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap();
                (pod["metadata"]["name"].as_str().unwrap().to_owned(), restarts)
            })
            .collect()
    }

    /// What a person would look at.
    pub(crate) fn state(&self) -> String {
        let looks: [&[&str]; 5] = [
            &["describe", "nodes"],
            &["get", "pods", "--all-namespaces", "--output=wide"],
            &["get", "mbp,dbclaim,jobs", "--output=wide"],
            &["describe", "mbp"],
            &["get", "events", "--sort-by=.lastTimestamp"],
        ];
        looks.map(|look| String::from_utf8_lossy(&self.kubectl(look).stdout).into_owned()).join("\n")
    }
}
