//! The process itself, as Linux's `/proc` tells it; elsewhere there is nothing to tell.

use prometheus::{
    Counter, Gauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Ticks of `/proc/self/stat` in a second: Linux shows 100 to programs on every architecture (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Looks at the process whenever the metrics are read.
pub(super) struct Process {
    cpu: Counter,
    resident: Gauge,
    open: Gauge,
    limit: Gauge,
    threads: Gauge,
    started: Gauge,
}

impl Process {
    pub(super) fn new() -> prometheus::Result<Self> {
        let gauge = |name, help| Gauge::with_opts(Opts::new(name, help));
        Ok(Self {
            cpu: Counter::new("process_cpu_seconds_total", "Processor time used, in seconds.")?,
            resident: gauge("process_resident_memory_bytes", "Memory that is resident, in bytes.")?,
            open: gauge("process_open_fds", "Open files and sockets.")?,
            limit: gauge("process_max_fds", "Most open files and sockets there may be.")?,
            threads: gauge("process_threads", "Threads of the operating system.")?,
            started: gauge(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970 UTC.",
            )?,
        })
    }

    fn look(&self) {
        let stat = read("/proc/self/stat");
        // The second field, the program's name in parentheses, may hold spaces; the third is number 0 after it.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number).and_then(|field| field.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (field(11), field(12)) {
            let used = (user + system) / TICKS;
            self.cpu.inc_by((used - self.cpu.get()).max(0.0));
        }
        if let (Some(ticks), Some(boot)) = (field(19), after(&read("/proc/stat"), "btime ")) {
            self.started.set(boot + ticks / TICKS);
        }
        let status = read("/proc/self/status");
        if let Some(kilobytes) = after(&status, "VmRSS:") {
            self.resident.set(kilobytes * 1024.0);
        }
        if let Some(threads) = after(&status, "Threads:") {
            self.threads.set(threads);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            self.open.set(u32::try_from(open.count().saturating_sub(1)).map_or(0.0, f64::from));
        }
        if let Some(limit) = after(&read("/proc/self/limits"), "Max open files") {
            self.limit.set(limit);
        }
    }

    fn all(&self) -> [&dyn Collector; 6] {
        [&self.cpu, &self.resident, &self.open, &self.limit, &self.threads, &self.started]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.look();
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number after `name` at the beginning of a line of `text`.
fn after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
