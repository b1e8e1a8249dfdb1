//! What is measured, each in a file of its own.

mod booking;
mod history;
mod hold;
mod hot;
mod nest;
mod overload;
mod size;
mod users;

use clap::ValueEnum;

use crate::{
    Plan,
    connection::{Answer, Connection, Protocol, grpc, rest},
    gauge::Gauge,
    load::{self, Ending, Outcome},
    places::Places,
    report::{Report, Row},
    world::{Buyer, World},
};
use http::Method;
use moviebooking_proto::reservations::v1::CreateReservationRequest;
use uuid::Uuid;

/// One part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Memory at rest and time to ready, of each process and of the one-process edition
    Size,
    /// Holding three seats of random showtimes, over gRPC and REST, beside PostgreSQL alone
    Hold,
    /// One's own profile over REST
    Users,
    /// Both calls beside the same in NestJS
    Nest,
    /// Many buyers after the same 300 seats
    Hot,
    /// Whole bookings (hold, charge, tickets), also with all services in one process, beside PostgreSQL alone
    Booking,
    /// Three times as many requests as can be answered
    Overload,
    /// The same hold with few and with many claims in the table
    History,
}

impl Scenario {
    /// All of them: size first, before anything has grown; history last, because it leaves large tables.
    pub(crate) const ALL: [Self; 8] = [
        Self::Size,
        Self::Hold,
        Self::Users,
        Self::Nest,
        Self::Hot,
        Self::Booking,
        Self::Overload,
        Self::History,
    ];

    /// What it is called in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Size => "Memory and time to ready",
            Self::Hold => "Holding three seats of random showtimes",
            Self::Users => "GET /users/{id}",
            Self::Nest => "Beside NestJS",
            Self::Hot => "A hot showtime",
            Self::Booking => "Whole bookings",
            Self::Overload => "Overload",
            Self::History => "Cost of history",
        }
    }

    /// Measures.
    pub(crate) async fn run(self, world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Size => size::run(world, plan, report),
            Self::Hold => hold::run(world, plan, report).await,
            Self::Users => users::run(world, plan, report).await,
            Self::Nest => nest::run(world, plan, report).await,
            Self::Hot => hot::run(world, plan, report).await,
            Self::Booking => booking::run(world, plan, report).await,
            Self::Overload => overload::run(world, plan, report).await,
            Self::History => history::run(world, plan, report).await,
        }
    }
}

/// Showtimes that requests are spread over.
fn showtimes(plan: Plan) -> usize {
    plan.pick(2_000, 40)
}

/// How a load over as many connections is called.
fn closed(connections: usize) -> String {
    format!("closed, {connections}")
}

/// Measures `work` over as many connections, after a third of the time that is not counted: caches fill and connections
/// to databases are made.
async fn measure<W>(
    world: &World,
    plan: Plan,
    what: &str,
    connections: &mut [Connection],
    work: &W,
) -> anyhow::Result<(Row, Outcome)>
where
    W: AsyncFn(&mut Connection) -> anyhow::Result<Ending>,
{
    world.settle()?;
    load::closed(connections, plan.each / 3, work).await?;
    let gauge = Gauge::begin(&world.platform)?;
    let outcome = load::closed(connections, plan.each, work).await?;
    let row = Row::of(what, closed(connections.len()), &outcome, gauge.end()?);
    explain(&outcome);
    Ok((row, outcome))
}

/// Says on standard error what failed.
#[expect(clippy::print_stderr, reason = "what goes wrong is for whoever runs it")]
fn explain(outcome: &Outcome) {
    for (what, count) in &outcome.failed {
        eprintln!("{count} failed: {what}");
    }
}

/// Holds the next three seats.
async fn hold(
    connection: &mut Connection,
    protocol: Protocol,
    places: &Places,
    buyers: &[Buyer],
) -> anyhow::Result<Answer> {
    let place = places.next(buyers.len())?;
    let buyer = &buyers[place.buyer];
    let key = Uuid::new_v4().to_string();
    let request = match protocol {
        Protocol::Grpc => grpc(
            "/moviebooking.reservations.v1.ReservationsService/CreateReservation",
            &buyer.authorization,
            &CreateReservationRequest {
                showtime_id: place.showtime.to_owned(),
                seats: place.seats.to_vec(),
                request_id: key,
                ..Default::default()
            },
        )?,
        Protocol::Rest => {
            let [first, second, third] = &place.seats;
            let body =
                format!(r#"{{"showtimeId":"{}","seats":["{first}","{second}","{third}"]}}"#, place.showtime);
            rest(Method::POST, "/reservations", Some(&buyer.authorization), Some(&key), Some(body))?
        }
    };
    connection.send(request).await
}

/// What an answer to a piece of work means that nothing should stand in the way of.
fn ending(answer: Answer) -> anyhow::Result<Ending> {
    if answer.is_overload() {
        return Ok(Ending::Shed);
    }
    answer.done().map(|_| Ending::Done)
}
