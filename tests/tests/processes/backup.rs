//! The scripts by which a platform on Kubernetes is copied and restored, on a server that sells meanwhile: everything in a copy
//! is as of one moment.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use moviebooking_audit::{Databases, audit};
use moviebooking_launch::{GATEWAY, PrivatePostgres, SANDBOX_BANK, SERVICES, postgres};
use moviebooking_store::{Db, PoolOptions};
use moviebooking_tests::{Processes, System, buy};
use tokio_util::sync::CancellationToken;

const BACKUP: &str = include_str!("../../../crates/operator/src/build/backup/backup.sh");
const PREPARE: &str = include_str!("../../../crates/operator/src/build/backup/prepare.sh");

/// Who buys at once while the copy is made.
const BUYERS: usize = 4;

/// A folder that stands for the volumes of the pods.
struct Volumes {
    folder: tempfile::TempDir,
    /// Where the server's data are.
    data: PathBuf,
    url: String,
}

impl Volumes {
    fn of(server: &PrivatePostgres) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "backups", "config", "secrets", "secrets/superuser"] {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        fs::write(folder.path().join("secrets/superuser/password"), "another password").unwrap();
        let data = server.query("postgres", "SHOW data_directory").unwrap();
        Self { folder, data: PathBuf::from(data.trim()), url: server.url() }
    }

    /// Runs a script as a pod does, as the server's user.
    fn run(&self, script: &str, variables: &[(&str, &str)]) {
        let place = |path: &str| self.folder.path().join(path).display().to_string();
        let script = script
            .replace("/backups", &place("backups"))
            .replace("/config", &place("config"))
            .replace("/run/secrets", &place("secrets"));
        let user = fs::metadata(&self.data).unwrap();
        let (host, port) =
            self.url.rsplit_once('@').unwrap().1.split('/').next().unwrap().split_once(':').unwrap();
        let programs = postgres::find().unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .envs([("PGHOST", host), ("PGPORT", port)])
            .envs(variables.iter().copied())
            .current_dir(self.folder.path())
            .uid(user.uid())
            .gid(user.gid())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn databases(server: &PrivatePostgres) -> Databases {
    let options = PoolOptions { application_name: "audit", max_connections: Some(2) };
    let open =
        async |name: &str| Db::connect(&server.database_url(name).parse().unwrap(), &options).await.unwrap();
    Databases {
        reservations: open("reservations").await,
        payments: open("payments").await,
        tickets: open("tickets").await,
        bank: open("bank").await,
    }
}

/// Buys until it is told to stop, and gives how often.
async fn sell(system: &System, stop: &CancellationToken) -> Vec<tokio::task::JoinHandle<usize>> {
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        let (buyer, showtime, stop) = (system.new_customer().await, system.showtime().await, stop.clone());
        buyers.push(tokio::spawn(async move {
            let mut bought = 0;
            while !stop.is_cancelled() && buy(&buyer, &showtime).await.is_ok() {
                bought += 1;
            }
            bought
        }));
    }
    buyers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_under_sales_becomes_a_platform_that_agrees_with_itself() {
    let mut processes = Processes::start().unwrap();
    let system = &processes.system;
    let (customer, showtime) = (system.customer().await, system.showtime().await);
    let before = buy(&customer, &showtime).await.unwrap();

    let stop = CancellationToken::new();
    let buyers = sell(system, &stop).await;
    let volumes = Volumes::of(processes.platform.postgres());
    let job = [("NAME", "under-sales"), ("JOB", "1"), ("SCHEDULE", "cinema-backup"), ("KEEP", "7")];
    volumes.run(BACKUP, &job);
    stop.cancel();
    let mut bought = 0;
    for buyer in buyers {
        bought += buyer.await.unwrap();
    }
    assert!(bought > 0, "nothing was sold while the copy was made");
    let after = buy(&customer, &system.showtime().await).await.unwrap();

    // The volume is lost, and a new one is filled with the copy.
    for name in SERVICES.into_iter().chain([GATEWAY, SANDBOX_BANK]) {
        processes.platform.kill(name).unwrap();
    }
    processes.platform.postgres().suspend().unwrap();
    let restored = volumes.data.with_extension("restored");
    volumes.run(PREPARE, &[("PGDATA", restored.to_str().unwrap()), ("BACKUP", "under-sales")]);
    replace(&volumes.data, &restored);
    processes.platform.postgres().resume().unwrap();
    for name in SERVICES.into_iter().chain([SANDBOX_BANK, GATEWAY]) {
        processes.platform.launch(name).unwrap();
    }

    // What was under way goes on by itself; then all databases agree, to the seat and to the cent.
    let databases = databases(processes.platform.postgres()).await;
    let settled = tokio::time::timeout(Duration::from_secs(60), async {
        while let Some(violation) = audit(&databases).await.unwrap().first() {
            println!("not settled yet: {violation}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    settled.await.expect("the databases of the copy agree");
    let customer = processes.system.customer().await;
    assert_eq!(customer.get(&format!("/tickets/{before}")).await.ok()["state"], "VALID");
    customer.get(&format!("/tickets/{after}")).await.problem(404, "TICKET_NOT_FOUND");
    buy(&customer, &processes.system.showtime().await).await.unwrap();
    assert!(audit(&databases).await.unwrap().is_empty());
}

fn replace(data: &Path, restored: &Path) {
    fs::remove_dir_all(data).unwrap();
    fs::rename(restored, data).unwrap();
}
