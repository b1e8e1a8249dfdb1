//! Three times as many requests as can be answered.

use std::{cell::RefCell, time::Duration};

use hdrhistogram::Histogram;

use crate::{
    Plan,
    connection::{Connection, Protocol},
    gauge::Gauge,
    load::{self, Ending, count, histogram},
    report::{Bound, Report, Row, quantiles},
    world::World,
};

use super::{ending, explain, hold, hold::ways, measure, showtimes};

/// Requests of the open load at once: more than a server works on, and no more than the files that a process may open
/// without being allowed more.
const CONNECTIONS: usize = 896;
/// Requests beside each other on one HTTP/2 connection.
const BESIDE: usize = 16;
/// Latency is looked at in windows of this length after the burst.
const WINDOW: Duration = Duration::from_millis(100);

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    for (protocol, what) in ways() {
        one(world, plan, protocol, what, report).await?;
    }
    Ok(())
}

async fn one(
    world: &mut World,
    plan: Plan,
    protocol: Protocol,
    what: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    world.buyers().await?;
    let buyers = world.signed_in();
    let address = world.address(protocol, "reservations");
    let places = world.places(2 * showtimes(plan))?;
    let work = async |connection: &mut Connection| ending(hold(connection, protocol, &places, buyers).await?);
    let mut few = Connection::several(address, protocol, 64).await?;
    let (row, _) = measure(world, plan, what, &mut few, &work).await?;
    report.row(&row);
    let (peak, before) = (row.rate, memory(&row));

    let many = match protocol {
        Protocol::Rest => Connection::several(address, protocol, CONNECTIONS).await?,
        Protocol::Grpc => {
            let opened = Connection::several(address, protocol, CONNECTIONS / BESIDE).await?;
            let beside = opened.iter().flat_map(|connection| (1..BESIDE).filter_map(|_| connection.beside()));
            let beside: Vec<Connection> = beside.collect();
            opened.into_iter().chain(beside).collect()
        }
    };
    let gauge = Gauge::begin(&world.platform)?;
    let burst = load::open(many, 3.0 * peak, plan.each, &work, |_, _, _| ()).await?;
    explain(&burst);
    let row = Row::of(what, format!("open, {:.0}/s", 3.0 * peak), &burst, gauge.end()?);
    let after = memory(&row);
    report.row(&row);

    let windows = RefCell::new(Vec::<Histogram<u64>>::new());
    let calm =
        load::open(few, peak / 2.0, plan.each.max(Duration::from_secs(3)), &work, |at, taken, ending| {
            let window = usize::try_from(at.as_millis() / WINDOW.as_millis()).unwrap_or(0);
            let mut windows = windows.borrow_mut();
            while windows.len() <= window {
                let Ok(histogram) = histogram() else { return };
                windows.push(histogram);
            }
            if ending == Some(Ending::Done) {
                windows[window].saturating_record(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX));
            }
        })
        .await?;
    explain(&calm);
    report.row(&Row::of(what, format!("open, {:.0}/s, after", peak / 2.0), &calm, Default::default()));
    let windows = windows.into_inner();
    let medians: Vec<f64> = windows.iter().map(|window| quantiles(window)[0]).collect();
    // As it is in the end, when the burst is long over.
    let usual = medians.get(medians.len() / 2..).unwrap_or_default().iter().copied().fold(0.0, f64::max);
    let back = medians.iter().rposition(|median| *median > 2.0 * usual).map_or(0, |last| last + 1);

    let name = |of: &str| format!("{what} at three times the peak rate, {of}");
    report.target(name("done, of the peak"), Bound::AtLeast, 0.8, burst.rate() / peak, " times");
    report.target(name("p99 of refusals"), Bound::AtMost, 50.0, quantiles(&burst.shed)[1], " ms");
    report.target(name("memory gained"), Bound::AtMost, 64.0, after - before, " MiB");
    let back = count(u64::try_from(back)?) * WINDOW.as_secs_f64();
    report.target(name("until the median is back"), Bound::AtMost, 2.0, back, " s");
    Ok(())
}

/// Of all processes together, in MiB.
fn memory(row: &Row) -> f64 {
    row.usage.values().filter_map(|usage| usage.resident).sum()
}
