//! The commands that people use.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use moviebooking_tests::{run, said};

/// Between two looks at the cluster: `kubectl` takes a good part of a processor, which the platform shall have.
const PAUSE: Duration = Duration::from_millis(300);

/// What the step tells its tests.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --install cluster`"))
}

/// The repository of the images under test.
pub(crate) fn images() -> String {
    variable("MOVIEBOOKING_IMAGES")
}

/// Runs `kubectl` to its end, whatever that is, and gives it something to read.
pub(crate) fn try_kubectl(arguments: &[&str], input: &[u8]) -> Output {
    let program = Path::new(&variable("MOVIEBOOKING_TEST_KUBE_BIN")).join("kubectl");
    run(Command::new(program).args(arguments), input)
}

/// Runs `kubectl` and gives what it printed.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    kubectl_with(arguments, b"")
}

/// The same with something to read.
pub(crate) fn kubectl_with(arguments: &[&str], input: &[u8]) -> String {
    said(&try_kubectl(arguments, input), &format!("kubectl {arguments:?}"))
}

/// Runs `helm` in the checkout and gives what it printed.
pub(crate) fn helm(arguments: &[&str]) -> String {
    let mut helm = Command::new(variable("MOVIEBOOKING_TEST_HELM"));
    helm.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(arguments);
    said(&run(&mut helm, b""), &format!("helm {arguments:?}"))
}

/// Waits until a condition holds that is found out by commands. Whether it does in time.
pub(crate) fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        #[expect(clippy::disallowed_methods, reason = "a pause between two looks at the cluster")]
        std::thread::sleep(PAUSE);
    }
}
