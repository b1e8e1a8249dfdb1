//! Holding three seats.

use std::collections::BTreeMap;

use crate::{
    Plan,
    connection::{Connection, Protocol},
    gauge::Gauge,
    load,
    pgbench::{self, Script},
    report::{Bound, Report, Row},
    world::World,
};

use super::{ending, explain, hold, measure, showtimes};

/// At how many connections the targets are.
const TARGET_AT: usize = 32;

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = BTreeMap::new();
    for clients in plan.pick(vec![1, 8, 32, 64], vec![TARGET_AT]) {
        let alone = pgbench::run(world, Script::Hold, clients, plan.each)?;
        report.row(&alone);
        rates.insert(("alone", clients), alone.rate);
        for (protocol, what) in ways() {
            world.buyers().await?;
            let buyers = world.signed_in();
            let places = world.places(showtimes(plan))?;
            let address = world.address(protocol, "reservations");
            let mut connections = Connection::several(address, protocol, clients).await?;
            let work = async |connection: &mut Connection| {
                ending(hold(connection, protocol, &places, buyers).await?)
            };
            let (row, _) = measure(world, plan, what, &mut connections, &work).await?;
            report.row(&row);
            rates.insert((what, clients), row.rate);
        }
    }
    for (share, (protocol, what)) in [0.5, 0.7].into_iter().flat_map(|share| ways().map(|way| (share, way))) {
        let rate = (rates[&(what, TARGET_AT)] * share / 100.0).round() * 100.0;
        report.row(&at_rate(world, plan, protocol, what, rate.max(100.0)).await?);
    }
    let alone = rates[&("alone", TARGET_AT)];
    for ((_, what), wanted) in ways().into_iter().zip([0.5, 1.0 / 3.0]) {
        let share = rates[&(what, TARGET_AT)] / alone;
        report.target(
            format!("{what}, {TARGET_AT} connections, of PostgreSQL alone"),
            Bound::AtLeast,
            wanted,
            share,
            " times",
        );
    }
    Ok(())
}

/// The ways to the reservations.
pub(super) fn ways() -> [(Protocol, &'static str); 2] {
    [(Protocol::Grpc, "gRPC at the service, hold"), (Protocol::Rest, "REST at the gateway, hold")]
}

async fn at_rate(
    world: &mut World,
    plan: Plan,
    protocol: Protocol,
    what: &str,
    rate: f64,
) -> anyhow::Result<Row> {
    world.buyers().await?;
    let buyers = world.signed_in();
    let places = world.places(showtimes(plan))?;
    let mut connections = Connection::several(world.address(protocol, "reservations"), protocol, 64).await?;
    let work = async |connection: &mut Connection| ending(hold(connection, protocol, &places, buyers).await?);
    world.settle()?;
    load::closed(&mut connections, plan.each / 3, &work).await?;
    let gauge = Gauge::begin(&world.platform)?;
    let outcome = load::open(connections, rate, plan.each, &work, |_, _, _| ()).await?;
    explain(&outcome);
    Ok(Row::of(what, format!("open, {rate:.0}/s"), &outcome, gauge.end()?))
}
