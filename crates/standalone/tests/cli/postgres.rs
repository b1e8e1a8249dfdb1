//! The platform with its databases in PostgreSQL.

use std::{fs, path::Path, process::Command};

use moviebooking_launch::PrivatePostgres;

use crate::{
    program::{Serving, command, refusal},
    walk::book_at_two_starts,
};

const DATABASES: [&str; 7] = ["users", "movies", "theaters", "reservations", "payments", "tickets", "bank"];
const PASSWORD: &str = "hunter2";

/// The program with its databases at this URL.
fn at(folder: &Path, url: &str) -> Command {
    let mut command = command(folder);
    command.env("MOVIEBOOKING_DATABASE_URL", url);
    command
}

/// The URL of the server's databases with a password, for which this server does not ask.
fn template(postgres: &PrivatePostgres, name: &str) -> String {
    postgres.database_url(name).replace("postgres@", &format!("postgres:{PASSWORD}@"))
}

#[test]
fn the_printed_walk_ends_with_a_ticket_and_a_second_start_reuses_the_databases() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start().unwrap();
    postgres
        .create_databases(DATABASES.map(|name| format!("cinema_{name}")).iter().map(String::as_str))
        .unwrap();
    let url = template(&postgres, "cinema_{service}");
    book_at_two_starts(folder.path(), || at(folder.path(), &url));
    let sold = postgres.query("cinema_payments", "SELECT count(*) FROM payments").unwrap();
    assert_eq!(sold.trim(), "2");
    let mut kept: Vec<_> =
        fs::read_dir(folder.path().join("data")).unwrap().map(|file| file.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, ["demo-accounts.env", "serving.lock"]);
}

#[test]
fn a_demo_of_other_databases_is_not_made_unasked_or_on_a_platform_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start().unwrap();
    postgres.create_databases(DATABASES).unwrap();
    let url = template(&postgres, "{service}");
    let accounts = ["CUSTOMER", "STAFF", "ADMIN"]
        .map(|role| format!("{role}_EMAIL={role}@demo.example\n{role}_PASSWORD=a long enough password\n"));
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/demo-accounts.env"), accounts.concat()).unwrap();
    let serve = |demo| {
        let mut started = at(folder.path(), &url);
        started.args(["--listen", "127.0.0.1:0", "--demo", demo]);
        let serving = Serving::start(started);
        let greeting = &serving.greeting;
        assert!(greeting.contains("{service}") && !greeting.contains(PASSWORD), "{greeting}");
        assert_eq!(serving.terminate(), Some(0));
        postgres.query("users", "SELECT count(*) FROM users").unwrap().trim().to_owned()
    };
    assert_eq!(serve("off"), "0");
    fs::write(folder.path().join("password"), "a long enough password").unwrap();
    let mut admin = at(folder.path(), &url);
    admin.args(["create-admin", "--email", "ann@cinema.example", "--password-file", "password"]);
    assert!(admin.status().unwrap().success());
    assert_eq!(serve("on"), "1");
}

#[test]
fn a_url_that_does_not_name_every_database_is_refused_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for (url, fix) in [
        ("postgres://ann:hunter2@db.example/cinema", "{service}"),
        ("postgres://{service}:hunter2@db.example/cinema", "{service}"),
        ("postgres://ann:hunter2@db.example", "{service}"),
        ("postgres://ann:hunter2@db.example:port/{service}", "HOST:PORT"),
        ("sqlite:hunter2/{service}.db", "--data"),
        ("hunter2", "postgres://"),
    ] {
        let error = refusal(&at(folder.path(), url).output().unwrap(), 64);
        assert!(error.contains("MOVIEBOOKING_DATABASE_URL") && error.contains(fix), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn a_database_that_is_not_there_is_named_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start().unwrap();
    postgres.create_databases(["users"]).unwrap();
    let mut started = at(folder.path(), &template(&postgres, "{service}"));
    started.args(["--listen", "127.0.0.1:0", "--log", "error"]);
    let error = refusal(&started.output().unwrap(), 69);
    assert!(error.contains("movies") && error.contains("--database-url"), "{error}");
    assert!(!error.contains(PASSWORD), "{error}");
}
