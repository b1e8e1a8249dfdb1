//! The short form of the benchmark runs to its end, on the programs that lie beside it.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_scenario_runs_and_nothing_fails() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_moviebooking-bench")).args(["--short", "--json"]).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    for scenario in
        ["Holding", "GET /users", "A hot showtime", "Whole bookings", "Overload", "Cost of history"]
    {
        let of = |row: &&Value| row["scenario"].as_str().unwrap().starts_with(scenario);
        let rows: Vec<&Value> = rows.iter().filter(of).collect();
        assert!(!rows.is_empty(), "no row of {scenario}");
        for row in rows {
            assert_eq!(row["failed"], 0, "{row} {complaints}");
            assert!(row["donePerSecond"].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    let targets = report["targets"].as_array().unwrap();
    for compared in ["one-process edition", "of PostgreSQL alone: one process"] {
        assert!(
            targets.iter().any(|target| target["what"].as_str().unwrap().contains(compared)),
            "{compared}"
        );
    }
}
