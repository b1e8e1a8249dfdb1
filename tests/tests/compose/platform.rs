//! The platform under docker compose, from nothing to a ticket, over a crash, a restart of its database and another start.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use moviebooking_launch::wait_until;
use moviebooking_standalone::Accounts;
use moviebooking_tests::{Rest, System, buy, buy_at_last};
use serde_json::{Value, json};

use crate::docker::{docker, inspect, said, variable};

/// Where `docker-compose.yml` publishes the gateway.
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);

/// How long the platform may take to be as it should again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The platform; dropping it removes everything.
struct Compose;

impl Compose {
    fn run(arguments: &[&str]) -> Output {
        Command::new(variable("MOVIEBOOKING_TEST_DOCKER_COMPOSE"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["--project-name", "moviebooking-test", "--progress", "quiet", "--profile", "demo"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn ok(arguments: &[&str]) -> String {
        said(&Self::run(arguments), &format!("docker compose {arguments:?}"))
    }

    /// Starts everything, and waits until it is healthy.
    fn up() -> Self {
        let platform = Self;
        let started = Self::run(&["up", "--detach", "--no-build", "--wait"]);
        // To wait is to fail where something ends, as what makes the demo does: what counts is the state after that.
        let failed = || {
            let text = [started.stdout.as_slice(), started.stderr.as_slice()].concat();
            format!("{}\n{}", String::from_utf8_lossy(&text), Self::ok(&["logs", "--tail=20"]))
        };
        let demo_ended = || Ok(platform.container("demo")["State"]["Status"] == "exited");
        wait_until(PATIENCE, "the demo is made", demo_ended)
            .unwrap_or_else(|error| panic!("{error}\n{}", failed()));
        assert_eq!(platform.container("demo")["State"]["ExitCode"], 0, "{}", failed());
        platform
    }

    /// Ends everything and keeps the volumes. The daemon may still count a container as part of the network when it has
    /// removed it, and then does not remove the network until it is asked again.
    fn down() {
        let down = || {
            let ended = Self::run(&["down", "--timeout=30"]);
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(ended.status.success() || said.contains("has active endpoints"), "{said}");
            Ok(ended.status.success())
        };
        wait_until(PATIENCE, "everything has ended", down).unwrap();
    }

    fn container(&self, service: &str) -> Value {
        let id = Self::ok(&["ps", "--all", "--quiet", service]);
        if id.trim().is_empty() { Value::Null } else { inspect(id.trim()) }
    }

    fn containers(&self) -> Vec<Value> {
        Self::ok(&["ps", "--all", "--quiet"]).lines().map(inspect).collect()
    }

    fn is_healthy(&self, service: &str) -> bool {
        self.container(service)["State"]["Health"]["Status"] == "healthy"
    }

    fn accounts(&self) -> Accounts {
        let folder = tempfile::tempdir().unwrap();
        Self::ok(&["cp", "demo:/run/demo/demo-accounts.env", folder.path().to_str().unwrap()]);
        Accounts::read(folder.path()).unwrap().unwrap()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        Self::run(&["down", "--volumes", "--timeout=30"]);
    }
}

#[tokio::test]
async fn a_ticket_is_bought_and_nothing_is_lost() {
    let platform = Compose::up();
    let system = System::at(GATEWAY, platform.accounts());
    let (customer, showtime) = (system.customer().await, system.showtime().await);
    let ticket = buy(&customer, &showtime).await.unwrap();

    confined(&platform);
    only_the_gateway_is_published(&platform);
    no_secret_shows(&platform);

    // A process that crashes is there again; what it knew is in its database.
    let before = platform.container("reservations");
    let process = before["State"]["Pid"].to_string();
    said(&Command::new("kill").args(["-KILL", &process]).output().unwrap(), "kill");
    let restarted = || {
        let now = platform.container("reservations");
        Ok(now["State"]["StartedAt"] != before["State"]["StartedAt"] && platform.is_healthy("reservations"))
    };
    wait_until(PATIENCE, "reservations is there again", restarted).unwrap();
    sells_again(&customer, &showtime).await;

    // Its database goes and comes.
    Compose::ok(&["restart", "postgres"]);
    sells_again(&customer, &showtime).await;

    // Everything ends and is started anew, on the same volumes.
    Compose::down();
    // Both are the same project: dropping either removes it.
    let again = Compose::up();
    let customer = System::at(GATEWAY, again.accounts()).customer().await;
    assert_eq!(customer.get(&format!("/tickets/{ticket}")).await.ok()["state"], "VALID");
    buy(&customer, &showtime).await.unwrap();
}

/// Buys as soon as the platform can sell again.
async fn sells_again(customer: &Rest, showtime: &str) {
    let bought = tokio::time::timeout(PATIENCE, buy_at_last(customer, showtime)).await;
    bought.unwrap_or_else(|_| panic!("nothing is sold within {PATIENCE:?}")).unwrap();
}

/// Each container has a read-only root, no capabilities to speak of, and no way to get any.
fn confined(platform: &Compose) {
    for container in platform.containers() {
        let (name, host) = (&container["Name"], &container["HostConfig"]);
        assert_eq!(host["ReadonlyRootfs"], true, "{name}");
        assert_eq!(host["CapDrop"], json!(["ALL"]), "{name}");
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]), "{name}");
        assert_eq!(host["Privileged"], false, "{name}");
        let is_setup = ["secrets", "databases"]
            .iter()
            .any(|setup| name.as_str().is_some_and(|name| name.contains(&format!("-{setup}-"))));
        assert!(
            is_setup || !["", "0", "root"].contains(&container["Config"]["User"].as_str().unwrap()),
            "{name}"
        );
    }
}

fn only_the_gateway_is_published(platform: &Compose) {
    for container in platform.containers() {
        let (name, bindings) = (&container["Name"], &container["HostConfig"]["PortBindings"]);
        if name.as_str().is_some_and(|name| name.contains("-gateway-")) {
            assert_eq!(bindings, &json!({"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3000"}]}));
        } else {
            assert!(bindings.as_object().is_none_or(serde_json::Map::is_empty), "{name}: {bindings}");
        }
    }
}

/// No secret is in a container's configuration, its processes' command lines, its logs or an image.
fn no_secret_shows(platform: &Compose) {
    let folder = tempfile::tempdir().unwrap();
    Compose::ok(&["cp", "secrets:/secrets/all", folder.path().to_str().unwrap()]);
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("all")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 10, "{files:?}");
    let secrets: Vec<String> = files.iter().map(|file: &std::path::PathBuf| read(file)).collect();
    assert!(secrets.iter().all(|secret| secret.len() >= 32));
    let mut shown = Compose::ok(&["logs", "--no-color"]);
    for container in platform.containers() {
        shown.push_str(&container.to_string());
        if container["State"]["Running"] == true {
            shown.push_str(&docker(&["top", container["Id"].as_str().unwrap(), "-eo", "pid,args"]));
        }
    }
    assert!(shown.contains("/usr/local/bin/moviebooking"));
    for (file, secret) in files.iter().zip(secrets) {
        assert!(!shown.contains(&secret), "{}", file.display());
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
