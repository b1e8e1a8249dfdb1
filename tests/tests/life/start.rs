//! What a process does and does not do to its database.

use std::net::TcpListener;

use moviebooking_launch::{PrivatePostgres, Process};

use crate::{
    program::{SECRET, nobodys_address, program, refusal, service, told},
    wait_until,
};

#[tokio::test]
async fn pending_migrations_are_refused_and_run_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start().unwrap();
    postgres.create_databases(["theaters"]).unwrap();
    let address = nobodys_address();
    let theaters = || {
        let mut command = program("theaters");
        command
            .env("MOVIEBOOKING_LISTEN", &address)
            .env("MOVIEBOOKING_SERVICE_SECRET", SECRET)
            .env("MOVIEBOOKING_DATABASE_URL", postgres.database_url("theaters"));
        command
    };
    let error = refusal(&mut theaters(), 78);
    assert!(error.contains("theaters") && error.contains("--migrate"), "{error}");
    // Once migrated, it starts without being asked to migrate.
    for migrate in ["true", "false"] {
        let mut asked = theaters();
        asked.env("MOVIEBOOKING_MIGRATE", migrate);
        let process = Process::start(&asked, &folder.path().join("log")).unwrap();
        wait_until("it is alive", async || match reqwest::get(format!("http://{address}/healthz")).await {
            Ok(answer) => answer.status() == 200,
            Err(_) => false,
        })
        .await;
        let ready = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
        assert_eq!(ready.status(), 503, "nobody has the keys of access tokens for it");
        let ended = tokio::task::spawn_blocking(|| process.stop()).await.unwrap().unwrap();
        assert_eq!(ended, Some(0), "migrate: {migrate}");
    }
}

#[test]
fn migrations_can_be_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join("bank.db");
    let payments = || {
        let mut command = service("payments", folder.path());
        command.env("MOVIEBOOKING_BANK_DATABASE_URL", format!("sqlite:{}", bank.display()));
        command
    };
    let error = refusal(&mut payments(), 78);
    assert!(error.contains("pending"), "{error}");
    let done = payments().arg("--migrate-only").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // What is missing now is none of the database's: the port is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refusal(payments().args(["--listen", &address]), 69);
    assert!(error.contains(&address), "{error}");
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refusal(service("users", folder.path()).args(["--migrate", "--listen", &address]), 69);
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn the_first_admin_is_made_once_with_a_password_that_no_command_line_shows() {
    let folder = tempfile::tempdir().unwrap();
    let create = |email: &str, password: &str| {
        let mut command = service("users", folder.path());
        command.args(["--migrate", "create-admin", "--email", email]);
        told(&mut command, password)
    };
    let made = create("root@cinema.example", "a long enough password\n");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(made.stdout.len(), "01234567-89ab-cdef-0123-456789abcdef\n".len());
    assert_eq!(create("root@cinema.example", "another long password\n").stdout, made.stdout);
    let refused = create("root@cinema", "short");
    assert_eq!(refused.status.code(), Some(65), "{}", String::from_utf8_lossy(&refused.stderr));
}
