//! Whether a hold costs more when many seats were sold before it.

use crate::{
    Plan,
    connection::{Connection, Protocol},
    gauge::Gauge,
    load,
    report::{Bound, Report, Row},
    world::World,
};

use super::{ending, explain, hold, showtimes};

/// Far below what can be done, so that the latency is that of the work.
const RATE: f64 = 1_000.0;

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut slowest = Vec::new();
    for claims in plan.pick([50_000, 5_000_000], [300, 3_000]) {
        sell(world, claims)?;
        world.buyers().await?;
        let buyers = world.signed_in();
        let places = world.places(showtimes(plan))?;
        let address = world.address(Protocol::Grpc, "reservations");
        let mut connections = Connection::several(address, Protocol::Grpc, 32).await?;
        let work = async |connection: &mut Connection| {
            ending(hold(connection, Protocol::Grpc, &places, buyers).await?)
        };
        load::closed(&mut connections, plan.each / 3, &work).await?;
        world.settle()?;
        let gauge = Gauge::begin(&world.platform)?;
        let rate = plan.pick(RATE, 100.0);
        let outcome = load::open(connections, rate, plan.each, &work, |_, _, _| ()).await?;
        explain(&outcome);
        let what = format!("gRPC at the service, {claims} claims");
        let row = Row::of(what, format!("open, {rate:.0}/s"), &outcome, gauge.end()?);
        report.row(&row);
        slowest.push(row.latency[1]);
    }
    if let [few, many] = slowest.as_slice() {
        report.target(
            "p99 of a hold with 5 million claims, of 50 thousand",
            Bound::AtMost,
            1.5,
            many / few,
            " times",
        );
    }
    Ok(())
}

/// Sells seats of showtimes that nobody asks for any more, until there are `claims` claims. Without triggers: what was sold
/// long ago was published long ago, and a relay with millions of changes to publish is not what is looked at.
fn sell(world: &World, claims: u64) -> anyhow::Result<()> {
    world.platform.postgres().query(
        "reservations",
        &format!(
            "SET session_replication_role = replica;
             WITH missing AS (
                 SELECT greatest({claims} - count(*), 0) / 300 AS showtimes FROM seat_claims
             ), past AS MATERIALIZED (
                 SELECT gen_random_uuid() AS showtime FROM missing, generate_series(1, missing.showtimes)
             ), sold AS MATERIALIZED (
                 SELECT showtime, triple, gen_random_uuid() AS reservation, gen_random_uuid() AS buyer
                 FROM past, generate_series(0, 99) AS triple
             ), history AS (
                 INSERT INTO seat_history
                     (showtime_id, sequence, kind, reservation_id, user_id, seats, expires_at, at)
                 SELECT showtime, triple + 1, 'held', reservation, buyer, 'A' || triple, now(), now() FROM sold
             ), reserved AS (
                 INSERT INTO reservations (id, showtime_id, theater_id, user_id, state, seats, total_minor,
                                           currency, expires_at, created_at, updated_at)
                 SELECT reservation, showtime, showtime, buyer, 'confirmed', '', 3600, 'EUR', now(), now(), now()
                 FROM sold
             )
             INSERT INTO seat_claims (showtime_id, seat, reservation_id, user_id, state, expires_at)
             SELECT showtime, 'A' || (3 * triple + seat), reservation, buyer, 'sold', now()
             FROM sold, generate_series(1, 3) AS seat"
        ),
    )?;
    // As autovacuum would soon.
    world.platform.postgres().query("reservations", "VACUUM ANALYZE").map(drop)
}
