//! Whole bookings (hold, charge, tickets) at the separate processes, then at one process on the same databases.

use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use moviebooking_launch::ONE_PROCESS;
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

/// Who answers at the gateway's address.
#[derive(Clone, Copy)]
struct Edition {
    name: &'static str,
    what: &'static str,
}

const SEVEN: Edition = Edition { name: "seven processes", what: "REST at the gateway, booking" };
const ONE: Edition = Edition { name: ONE_PROCESS, what: "REST at one process, booking" };

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    edition(world, plan, SEVEN, report).await?;
    world.platform.use_one_process()?;
    edition(world, plan, ONE, report).await?;
    world.platform.use_separate_processes()
}

/// How long bookings are made before it is PostgreSQL's turn again.
const TURN: Duration = Duration::from_secs(5);

/// Makes as many bookings as possible, and then fewer. Every number of connections has its turn again and again, and with
/// each PostgreSQL alone with as many clients: the machine's disk and neighbours change within a minute.
async fn edition(world: &mut World, plan: Plan, edition: Edition, report: &mut Report) -> anyhow::Result<()> {
    let turns = u32::try_from(plan.each.as_secs() / TURN.as_secs())?.max(1);
    let turn = Plan { each: plan.each / turns, ..plan };
    let places = world.places(showtimes(plan))?;
    let mut rates = plan.pick(vec![1, 8, 32], vec![4]).into_iter().map(Rates::of).collect::<Vec<_>>();
    for _ in 0..turns {
        for Rates { clients, own, alone } in &mut rates {
            let row = pgbench::run(world, Script::Booking, *clients, turn.each)?;
            report.row(&row);
            *alone += row.rate / f64::from(turns);
            let row = closed(world, turn, edition, *clients, &places).await?;
            report.row(&row);
            *own += row.rate / f64::from(turns);
        }
    }
    for Rates { clients, own, alone } in &rates {
        let (load, share) = (super::closed(*clients), own / alone);
        report.note(&format!("{}, {load}: {own:.0}/s of {alone:.0}/s, {share:.2} times", edition.name));
    }
    let best = rates.iter().map(|rates| rates.own).fold(0.0, f64::max);
    let alone = rates.iter().map(|rates| rates.alone).fold(0.0, f64::max);
    report.target(
        format!("Whole bookings, best rate, of PostgreSQL alone: {}", edition.name),
        Bound::AtLeast,
        1.0 / 3.0,
        best / alone,
        " times",
    );
    open(world, plan, edition, best, report).await
}

/// Bookings per second over as many connections, on average of all turns.
struct Rates {
    clients: usize,
    own: f64,
    alone: f64,
}

impl Rates {
    fn of(clients: usize) -> Self {
        Self { clients, own: 0.0, alone: 0.0 }
    }
}

/// Makes bookings over as many connections.
async fn closed(
    world: &mut World,
    plan: Plan,
    edition: Edition,
    clients: usize,
    places: &Places,
) -> anyhow::Result<Row> {
    world.buyers().await?;
    let buyers = world.signed_in();
    let mut connections = connect(world, clients).await?;
    let work = async |connection: &mut Connection| book(connection, places, buyers).await;
    let (row, _) = measure(world, plan, edition.what, &mut connections, &work).await?;
    Ok(row)
}

/// Makes bookings at 70 % of the best rate.
async fn open(
    world: &mut World,
    plan: Plan,
    edition: Edition,
    best: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    // However slow it is, one begins within the run.
    let rate = (best * 0.7).max(2.0 / plan.each.as_secs_f64());
    world.buyers().await?;
    let (buyers, places) = (world.signed_in(), world.places(showtimes(plan))?);
    let mut connections = connect(world, 64).await?;
    let work = async |connection: &mut Connection| book(connection, &places, buyers).await;
    world.settle()?;
    load::closed(&mut connections, plan.each / 3, &work).await?;
    let gauge = Gauge::begin(&world.platform)?;
    let outcome = load::open(connections, rate, plan.each, &work, |_, _, _| ()).await?;
    explain(&outcome);
    let row = Row::of(edition.what, format!("open, {rate:.0}/s"), &outcome, gauge.end()?);
    report.row(&row);
    let [p50, p99, _] = row.latency;
    report.target(
        format!("Whole bookings at 70 % of the best rate, p99 of p50: {}", edition.name),
        Bound::AtMost,
        5.0,
        p99 / p50,
        " times",
    );
    Ok(())
}

async fn connect(world: &World, count: usize) -> anyhow::Result<Vec<Connection>> {
    Connection::several(world.address(Protocol::Rest, ""), Protocol::Rest, count).await
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
