//! Whole bookings: hold, charge, tickets.

use std::collections::BTreeMap;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Plan,
    connection::{Answer, Connection, Protocol, rest},
    gauge::Gauge,
    load::{self, Ending},
    pgbench::{self, Script},
    places::Places,
    report::{Bound, Report, Row},
    world::{Buyer, World, text},
};

use super::{explain, hold, measure, showtimes};

const WHAT: &str = "REST at the gateway, booking";

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut ours) = (0_f64, BTreeMap::new());
    for clients in plan.pick(vec![1, 8, 32], vec![4]) {
        let row = pgbench::run(world, Script::Booking, clients, showtimes(plan), plan.each)?;
        report.row(&row);
        alone = alone.max(row.rate);
        world.buyers().await?;
        let (buyers, places) = (world.signed_in(), world.places(showtimes(plan))?);
        let address = world.address(Protocol::Rest, "");
        let mut connections = Connection::several(address, Protocol::Rest, clients).await?;
        let work = async |connection: &mut Connection| book(connection, &places, buyers).await;
        let (row, _) = measure(world, plan, WHAT, &mut connections, &work).await?;
        report.row(&row);
        ours.insert(clients, row.rate);
    }
    let best = ours.values().copied().fold(0.0, f64::max);
    report.target(
        "Whole bookings, best rate, of PostgreSQL alone",
        Bound::AtLeast,
        1.0 / 3.0,
        best / alone,
        " times",
    );
    let rate = (best * 0.7).max(1.0);
    world.buyers().await?;
    let (buyers, places) = (world.signed_in(), world.places(showtimes(plan))?);
    let mut connections = Connection::several(world.address(Protocol::Rest, ""), Protocol::Rest, 64).await?;
    let work = async |connection: &mut Connection| book(connection, &places, buyers).await;
    world.settle()?;
    load::closed(&mut connections, plan.each / 3, &work).await?;
    let gauge = Gauge::begin(&world.platform)?;
    let outcome = load::open(connections, rate, plan.each, &work, |_, _, _| ()).await?;
    explain(&outcome);
    let row = Row::of(WHAT, format!("open, {rate:.0}/s"), &outcome, gauge.end()?);
    report.row(&row);
    let [p50, p99, _] = row.latency;
    report.target(
        "Whole bookings at 70 % of the best rate, p99 of p50",
        Bound::AtMost,
        5.0,
        p99 / p50,
        " times",
    );
    Ok(())
}

/// Holds three seats and pays for them.
async fn book(connection: &mut Connection, places: &Places, buyers: &[Buyer]) -> anyhow::Result<Ending> {
    // Whose turn it is is told by the place, which the hold takes; the reservation says who it was.
    let held = match hold(connection, Protocol::Rest, places, buyers).await? {
        Answer::Done(body) => serde_json::from_slice::<Value>(&body)?,
        other => return super::ending(other),
    };
    let buyer = buyers
        .iter()
        .find(|buyer| held["userId"].as_str() == Some(&buyer.id))
        .context("somebody else holds the seats")?;
    let body = json!({ "reservationId": text(&held, "id")?, "amount": held["total"], "paymentToken": "tok_approve" });
    let key = Uuid::new_v4().to_string();
    let request = rest(
        Method::POST,
        "/payments/charge",
        Some(&buyer.authorization),
        Some(&key),
        Some(body.to_string()),
    )?;
    let paid = match connection.send(request).await? {
        Answer::Done(body) => serde_json::from_slice::<Value>(&body)?,
        other => return super::ending(other),
    };
    let tickets = paid["ticketIds"].as_array().map_or(0, Vec::len);
    anyhow::ensure!(tickets == 3, "a booking has {tickets} tickets");
    Ok(Ending::Done)
}
