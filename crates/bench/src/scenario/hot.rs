//! Everybody wants the same showtime.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use moviebooking_proto::reservations::v1::CreateReservationRequest;
use uuid::Uuid;

use crate::{
    Plan,
    connection::{Answer, Connection, Protocol, grpc},
    gauge::Gauge,
    load::{self, Ending, count},
    places::{ROWS, TRIPLES, seats},
    report::{Report, Row, quantiles},
    world::World,
};

/// The code of gRPC for seats that somebody else has.
const ALREADY_EXISTS: u16 = 6;
const FAILED_PRECONDITION: u16 = 9;
const ABORTED: u16 = 10;
const BOUND: Duration = Duration::from_secs(60);

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    world.buyers().await?;
    let buyers = world.signed_in();
    let places = world.places(1)?;
    let showtime = places.showtimes.first().context("no showtime was made")?;
    let triples = ROWS * TRIPLES;
    let (turn, won) = (Cell::new(0), RefCell::new(vec![0_u32; triples]));
    let address = world.address(Protocol::Grpc, "reservations");
    let mut connections = Connection::several(address, Protocol::Grpc, buyers.len()).await?;
    let began = Instant::now();
    let sold = Cell::new(None);
    // Each asks for the triples one after the other, and all of them begin with the same.
    let work = async |connection: &mut Connection| -> anyhow::Result<Ending> {
        let number = turn.replace(turn.get() + 1);
        let triple = number / buyers.len() % triples;
        // A buyer may have ten seats; so the seats go round.
        let buyer = &buyers[number % buyers.len()];
        let message = CreateReservationRequest {
            showtime_id: showtime.clone(),
            seats: seats(triple).to_vec(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let path = "/moviebooking.reservations.v1.ReservationsService/CreateReservation";
        match connection.send(grpc(path, &buyer.authorization, &message)?).await? {
            Answer::Done(_) => {
                won.borrow_mut()[triple] += 1;
                if won.borrow().iter().all(|won| *won > 0) {
                    sold.set(sold.get().or(Some(began.elapsed())));
                }
                Ok(Ending::Done)
            }
            Answer::Refused { code: ALREADY_EXISTS | FAILED_PRECONDITION | ABORTED, .. } => Ok(Ending::Lost),
            other => super::ending(other),
        }
    };
    let gauge = Gauge::begin(&world.platform)?;
    let mut outcome = load::closed(&mut connections, plan.each, &work).await?;
    while sold.get().is_none() {
        ensure!(began.elapsed() < BOUND, "the seats are not sold after {} s", BOUND.as_secs());
        outcome = load::closed(&mut connections, plan.each, &work).await?;
    }
    super::explain(&outcome);
    ensure!(won.borrow().iter().all(|won| *won == 1), "a seat was sold twice: {won:?}");
    let claims = world.platform.postgres().query(
        "reservations",
        &format!(
            "SELECT count(*), count(DISTINCT reservation_id) FROM seat_claims WHERE showtime_id = '{showtime}'"
        ),
    )?;
    ensure!(claims.trim() == format!("{}|{triples}", 3 * triples), "the claims are {claims}");
    let elapsed = outcome.elapsed.as_secs_f64();
    report.row(&Row {
        what: "gRPC at the service, answers".to_owned(),
        load: super::closed(connections.len()),
        rate: count(outcome.latency.len() + outcome.lost.len()) / elapsed,
        latency: quantiles(&outcome.lost),
        others: [outcome.lost.len(), outcome.shed.len(), outcome.failures()],
        usage: gauge.end()?,
    });
    let sold = sold.get().unwrap_or_default();
    report.note(&format!(
        "{} seats sold once each after {:.2} s; {} buyers were told of a conflict, in one round trip each",
        3 * triples,
        sold.as_secs_f64(),
        outcome.lost.len()
    ));
    Ok(())
}
