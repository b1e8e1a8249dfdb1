//! What Prometheus is told of the business, by the processes that do it.

use std::collections::BTreeSet;

use moviebooking_launch::{GATEWAY, Platform, SERVICES};
use serde_json::json;

use crate::turn;

/// The metrics of a process as it shows them.
pub(crate) async fn shown(platform: &Platform, process: &str) -> String {
    let url = format!("http://{}/metrics", platform.metrics_address(process));
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// The value of a series, as it is written: `name{label="value"}`.
async fn value(platform: &Platform, process: &str, series: &str) -> f64 {
    let all = shown(platform, process).await;
    let line = all.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_purchase_a_conflict_and_a_wrong_password_are_counted_where_they_happen() {
    let processes = turn().await;
    let (platform, system) = (&processes.platform, &processes.system);
    let (customer, other) = (system.new_customer().await, system.new_customer().await);
    let showtime = system.showtime().await;
    let expected = [
        ("users", r#"moviebooking_logins_total{outcome="wrong_credentials"}"#, 1.0),
        ("users", "moviebooking_registrations_total", 0.0),
        ("reservations", r#"moviebooking_holds_total{outcome="held"}"#, 1.0),
        ("reservations", r#"moviebooking_holds_total{outcome="conflict"}"#, 1.0),
        ("reservations", r#"moviebooking_seats_total{change="sold"}"#, 2.0),
        ("reservations", r#"moviebooking_seats_total{change="freed"}"#, 2.0),
        ("payments", r#"moviebooking_payment_events_total{event="tickets_issued"}"#, 1.0),
        ("tickets", r#"moviebooking_tickets_total{event="issued"}"#, 2.0),
        ("tickets", r#"moviebooking_tickets_total{event="voided"}"#, 2.0),
    ];
    let mut before = Vec::new();
    for (process, series, _) in expected {
        before.push(value(platform, process, series).await);
    }
    let revenue = r#"moviebooking_revenue_minor_units_total{currency="EUR"}"#;
    let refunds = r#"moviebooking_refunds_minor_units_total{currency="EUR"}"#;
    let money =
        async || [value(platform, "payments", revenue).await, value(platform, "payments", refunds).await];
    let money_before = money().await;

    let wrong = json!({"email": system.accounts.customer.email, "password": "not the password"});
    system.rest().post("/users/login", wrong).await.problem(401, "INVALID_CREDENTIALS");
    let seats = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = customer.post("/reservations", seats).await.ok();
    let same =
        json!({"showtimeId": showtime, "seats": [hold["seats"][0]["label"], hold["seats"][1]["label"]]});
    other.post("/reservations", same).await.problem(409, "SEAT_UNAVAILABLE");
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let payment = customer.post("/payments/charge", charge).await.ok();
    let path = format!("/payments/{}/refund", payment["id"].as_str().unwrap());
    system.staff().await.post(&path, json!({})).await.ok();

    for ((process, series, more), before) in expected.into_iter().zip(before) {
        let now = value(platform, process, series).await;
        assert!(now >= before + more, "{process} {series}: {before}, then {now}");
    }
    let total: f64 = hold["total"]["amountMinor"].as_str().unwrap().parse().unwrap();
    let money_now = money().await;
    assert_eq!([money_now[0] - money_before[0], money_now[1] - money_before[1]], [total, total]);
}

#[tokio::test]
async fn every_metric_is_explained_to_who_operates_the_platform() {
    let processes = turn().await;
    let documented = include_str!("../../../docs/operating.md");
    for process in SERVICES.into_iter().chain([GATEWAY]) {
        let all = shown(&processes.platform, process).await;
        let names: BTreeSet<&str> =
            all.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for name in names.into_iter().filter(|name| !name.starts_with("process_")) {
            assert!(
                documented.contains(&format!("`{name}`")),
                "{name} of {process} is not in docs/operating.md"
            );
        }
    }
}
