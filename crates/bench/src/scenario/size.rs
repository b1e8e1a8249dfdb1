//! Memory at rest, and time until a process is ready.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use moviebooking_launch::{GATEWAY, Process, SERVICES, wait_until};

use crate::{
    Plan,
    gauge::resident,
    report::{Bound, Report},
    world::World,
};

/// 1,000,000 bytes, in MiB: what is wanted is said in MB.
const MB: f64 = 1_000_000.0 / 1_048_576.0;
/// Of a start, at the most.
const BOUND: Duration = Duration::from_secs(60);

pub(super) fn run(world: &mut World, _: Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut figures = BTreeMap::new();
    for name in SERVICES.into_iter().chain([GATEWAY]) {
        world.platform.stop(name)?;
        let begun = Instant::now();
        world.platform.launch(name)?;
        figures.insert(name, (begun.elapsed(), 0.0));
    }
    for (name, (_, memory)) in &mut figures {
        *memory = resident(world.platform.id(name).context("a process does not run")?)?;
    }
    for (name, (ready, memory)) in &figures {
        report.note(&format!("{name:<13} {memory:>6.1} MiB, ready after {:>4} ms", ready.as_millis()));
    }
    let most = figures.values().map(|(_, memory)| *memory).fold(0.0, f64::max);
    let slowest = figures.values().map(|(ready, _)| *ready).max().unwrap_or_default();
    report.target("Memory of the largest process, at rest", Bound::AtMost, 25.0 * MB, most, " MiB");
    report.target("The slowest process is ready after", Bound::AtMost, 200.0, milliseconds(slowest), " ms");
    one_process(world, report)
}

/// The one-process edition: its first start, which makes the demo, and a second one.
fn one_process(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let folder = world.folder.join("one");
    fs::create_dir_all(&folder)?;
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let mut command = Command::new(world.programs.join("moviebooking"));
    command.args(["--listen", &address.to_string(), "--demo", "on", "--data"]).arg(folder.join("data"));
    let start = || -> anyhow::Result<_> {
        let begun = Instant::now();
        let process = Process::start(&command, &folder.join("one.log"))?;
        wait_until(BOUND, "the one-process edition is not ready", || Ok(is_ready(address).unwrap_or(false)))
            .with_context(|| process.last_words())?;
        Ok((process, begun.elapsed()))
    };
    let (process, first) = start()?;
    let after_demo = resident(process.id())?;
    process.stop()?;
    let (process, second) = start()?;
    let again = resident(process.id())?;
    process.stop()?;
    report.note(&format!(
        "one process   {after_demo:>6.1} MiB after making the demo in {} ms, {again:.1} MiB when started again in {} ms",
        first.as_millis(),
        second.as_millis()
    ));
    report.target(
        "Memory of the one-process edition after the demo data",
        Bound::AtMost,
        80.0 * MB,
        after_demo,
        " MiB",
    );
    report.target(
        "The one-process edition is ready after",
        Bound::AtMost,
        1_000.0,
        milliseconds(second),
        " ms",
    );
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
