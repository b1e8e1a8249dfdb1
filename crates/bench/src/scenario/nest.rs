//! The platform beside the NestJS baseline, under the same load of the same tool.

use std::{collections::BTreeMap, fs};

use moviebooking_launch::GATEWAY;

use crate::{
    Plan,
    gauge::Gauge,
    nest::Nest,
    report::{Bound, Report, Row},
    world::World,
    wrk::{self, Ask},
};

use super::{closed, showtimes};

/// At how many connections the targets are.
const TARGET_AT: usize = 64;
const PLATFORM: &str = concat!(include_str!("../../wrk/report.lua"), include_str!("../../wrk/platform.lua"));
const BASELINE: &str = concat!(include_str!("../../wrk/report.lua"), include_str!("../../wrk/nest.lua"));

pub(super) async fn run(world: &mut World, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    if plan.short {
        // Installing it takes longer than the short form may.
        report.note("The baseline runs in the full form alone.");
        return Ok(());
    }
    if let Err(missing) = Nest::find() {
        report.note(&format!("not measured: {missing} is not in PATH"));
        return Ok(());
    }
    let nest = Nest::start(world)?;
    let folder = world.folder.join("wrk");
    fs::create_dir_all(&folder)?;
    let mut rates = BTreeMap::new();
    for (ask, name, wanted) in
        [(Ask::User, "GET /users/{id}", 5.0), (Ask::Reservation, "POST /reservations", 4.0)]
    {
        for connections in [8, TARGET_AT] {
            for (of, words) in [("NestJS", [].as_slice()), ("platform", &["buyers", "showtimes"])] {
                world.buyers().await?;
                write_words(world, plan, &folder)?;
                world
                    .platform
                    .postgres()
                    .query("nest_reservations", "TRUNCATE reservations, reserved_seats")?;
                world.settle()?;
                let (script, url, ids) = if of == "NestJS" {
                    (BASELINE, nest.url(), nest.ids())
                } else {
                    let names = ["users", "reservations", GATEWAY];
                    let ids = names.map(|name| (name, world.platform.id(name).unwrap_or_default()));
                    (PLATFORM, format!("http://{}", world.platform.address(GATEWAY)), ids.to_vec())
                };
                let run = |last| wrk::run(&folder, script, &url, ask, words, connections, last);
                // Not counted: caches fill, and JavaScript is compiled.
                run(plan.each / 2)?;
                write_words(world, plan, &folder)?;
                world
                    .platform
                    .postgres()
                    .query("nest_reservations", "TRUNCATE reservations, reserved_seats")?;
                let gauge = Gauge::begin_with(&world.platform, ids)?;
                let said = run(plan.each)?;
                report.row(&Row {
                    what: format!("{of}, {name}"),
                    load: closed(connections),
                    rate: said.rate,
                    latency: said.latency,
                    others: [0, 0, said.failed],
                    usage: gauge.end()?,
                });
                rates.insert((name, of, connections), said.rate);
            }
        }
        let times = rates[&(name, "platform", TARGET_AT)] / rates[&(name, "NestJS", TARGET_AT)];
        report.target(
            format!("{name} through the gateway, {TARGET_AT} connections, of NestJS"),
            Bound::AtLeast,
            wanted,
            times,
            " times",
        );
    }
    Ok(())
}

/// Who asks, and for what: showtimes that nobody has been to.
fn write_words(world: &World, plan: Plan, folder: &std::path::Path) -> anyhow::Result<()> {
    let mut buyers = String::new();
    for buyer in world.signed_in() {
        buyers += &format!("{} {}\n", buyer.id, buyer.authorization.to_str()?);
    }
    fs::write(folder.join("buyers"), buyers)?;
    fs::write(folder.join("showtimes"), world.places(showtimes(plan))?.showtimes.join("\n"))?;
    Ok(())
}
