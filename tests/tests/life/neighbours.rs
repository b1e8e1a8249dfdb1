//! Whom each process calls, by its own account and by the operator's, which lets nobody else reach it.

use moviebooking_operator::graph::{COMPONENTS, METRICS_PORT};

use crate::program::program;

#[test]
fn the_operator_knows_what_each_process_listens_on_and_whom_it_calls() {
    for component in &COMPONENTS {
        let help = program(component.name).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for other in &COMPONENTS {
            let takes_url = help.contains(&format!("--{}-url ", other.name));
            assert_eq!(
                takes_url,
                component.calls.contains(&other.name),
                "{} and {}",
                component.name,
                other.name
            );
        }
        assert!(help.contains(&format!("[default: 127.0.0.1:{}]", component.port)), "{}", component.name);
        assert_eq!(help.contains("--database-url-file "), component.database, "{}", component.name);
        assert!(component.port != METRICS_PORT);
    }
}
