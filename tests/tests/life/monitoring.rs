//! What Prometheus' rules and Grafana's dashboard ask for is what the processes show, with the labels that the documents say.

use std::collections::{BTreeMap, BTreeSet};

use moviebooking_launch::{GATEWAY, SERVICES};
use moviebooking_tests::buy;
use serde_json::{Value, json};

use crate::{metrics::shown, turn};

const RULES: [&str; 2] = [
    include_str!("../../../charts/moviebooking/files/rules/platform.yaml"),
    include_str!("../../../charts/moviebooking/files/rules/operator.yaml"),
];
const DASHBOARD: &str = include_str!("../../../charts/moviebooking/files/dashboard.json");
const DOCUMENTS: [&str; 2] =
    [include_str!("../../../docs/operating.md"), include_str!("../../../docs/kubernetes.md")];

/// What Prometheus itself knows of a target, with what the chart's PodMonitor adds.
const OF_TARGETS: [&str; 4] = ["job", "instance", "namespace", "platform"];

/// The labels of each metric that the documents' tables have.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rows = DOCUMENTS.iter().flat_map(|document| document.lines()).filter_map(|line| {
        let mut cells = line.strip_prefix("| `moviebooking_")?.split('|').map(str::trim);
        let name = line[3..].split('`').next()?;
        cells.next()?;
        Some((name, cells.next()?.split(", ").filter(|label| !label.is_empty()).collect()))
    });
    rows.collect()
}

/// A metric that a text of PromQL asks for, with the labels that it is selected by: name, operator, value.
type Selector<'a> = (&'a str, Vec<(&'a str, &'a str, &'a str)>);

/// The selectors in a text: names, and what stands behind them in braces.
fn selectors(text: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let word = &rest[start..];
        let (name, behind) = word.split_at(word.find(|c| !is_name(c)).unwrap_or(word.len()));
        rest = behind;
        let is_ours = name.starts_with("moviebooking_") || name.starts_with("process_");
        if !(is_ours || name == "up" && behind.starts_with('{')) || name.contains(':') {
            continue;
        }
        let inner = behind.strip_prefix('{').map(in_braces).unwrap_or_default();
        let matchers = inner.split(',').filter(|matcher| !matcher.trim().is_empty()).map(|matcher| {
            let (label, value) = matcher.trim().split_once('"').unwrap();
            let name = label.trim_end_matches(['=', '!', '~']);
            (name, &label[name.len()..], value.trim_end_matches('"'))
        });
        found.push((name, matchers.collect()));
    }
    found
}

/// What stands before the brace that closes: one within quotes does not.
fn in_braces(text: &str) -> &str {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == '}' && !quoted
    });
    &text[..end.unwrap_or(text.len())]
}

/// The name of a metric without what histograms add to it.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// All expressions of the dashboard.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let documented = documented();
    let dashboard = expressions();
    let texts = RULES.into_iter().chain(dashboard.iter().map(String::as_str));
    let known: BTreeSet<&str> = documented.values().flatten().copied().chain(OF_TARGETS).collect();
    for text in texts {
        for (name, matchers) in selectors(text) {
            let own = documented.get(family(name));
            assert!(own.is_some() || !name.starts_with("moviebooking_"), "{name} is in no table");
            for (label, ..) in matchers {
                let is_known = OF_TARGETS.contains(&label) || own.is_some_and(|own| own.contains(label));
                assert!(is_known, "{name} has no label {label}");
            }
        }
        for grouped in text.split("by (").chain(text.split("without (")).skip(1) {
            let labels = grouped.split(')').next().unwrap().split(',').map(str::trim);
            for label in labels.filter(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
                assert!(known.contains(label) || label == "le", "no metric has a label {label}");
            }
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let book = include_str!("../../../docs/runbooks.md");
    let alerts: BTreeSet<&str> = RULES
        .iter()
        .flat_map(|rules| rules.lines())
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let chapters: BTreeSet<&str> = book.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(alerts, chapters);
    for alert in alerts {
        let link = format!("runbook_url: docs/runbooks.md#{}\n", alert.to_lowercase());
        assert!(RULES.iter().any(|rules| rules.contains(&link)), "{link}");
    }
}

#[tokio::test]
async fn processes_show_what_the_tables_say_and_the_alerts_look_for() {
    let processes = turn().await;
    let (platform, system) = (&processes.platform, &processes.system);
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    // So that what is shown only when it has happened is there.
    let seats = json!({"showtimeId": showtime, "bestAvailable": {"count": 1}});
    let hold = customer.post("/reservations", seats).await.ok();
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_fraud"});
    customer.post("/payments/charge", charge).await;
    buy(&customer, &showtime).await.unwrap();

    let documented = documented();
    let mut values = BTreeSet::new();
    for process in SERVICES.into_iter().chain([GATEWAY]) {
        for line in shown(platform, process).await.lines().filter(|line| line.starts_with("moviebooking_")) {
            let (name, labels) = selectors(line).swap_remove(0);
            let name = family(name).to_owned();
            let own: BTreeSet<&str> =
                labels.iter().map(|(label, ..)| *label).filter(|&label| label != "le").collect();
            assert_eq!(documented.get(&*name), Some(&own), "{name} of {process}");
            values.extend(
                labels
                    .iter()
                    .map(|(label, _, value)| (name.clone(), (*label).to_owned(), (*value).to_owned())),
            );
        }
    }
    for (name, matchers) in selectors(RULES[0]) {
        // Of codes there are those that happened, and a target's labels are no process's.
        let looked_for = matchers.iter().filter(|(label, operator, _)| {
            *operator == "=" && *label != "code" && !OF_TARGETS.contains(label)
        });
        for (label, _, value) in looked_for {
            let wanted = (family(name).to_owned(), (*label).to_owned(), (*value).to_owned());
            assert!(values.contains(&wanted), "no process shows {wanted:?}");
        }
    }
}
