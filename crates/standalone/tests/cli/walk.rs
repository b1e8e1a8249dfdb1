//! What the platform prints is true: the walk from login to ticket works when it is pasted into a shell.

use std::{
    path::Path,
    process::{Command, Output},
};

use moviebooking_store::{DatabaseUrl, Db, PoolOptions, sql};

use crate::program::{Serving, command, refusal, run};

fn sh(folder: &Path, script: &str) -> Output {
    Command::new("sh").arg("-eu").arg("-c").arg(script).current_dir(folder).output().unwrap()
}

#[test]
fn the_printed_walk_ends_with_a_ticket_and_a_second_start_reuses_the_data() {
    let folder = tempfile::tempdir().unwrap();
    book_at_two_starts(folder.path(), || command(folder.path()));
    forget_one_capture(&folder.path().join("data/bank.db"));
    let compared = run(folder.path(), &["reconcile", "--json"]);
    assert!(refusal(&compared, 1).contains("differ in 1 movement"));
    assert!(String::from_utf8_lossy(&compared.stdout).contains("\"missing_there\""));
    assert!(refusal(&run(folder.path(), &["reconcile", "--from", "tomorrow"]), 64).contains("--from"));
}

/// Starts the program on no data and again on what it kept, and buys a ticket each time as it says.
pub(crate) fn book_at_two_starts(folder: &Path, command: impl Fn() -> Command) {
    for (start, bookings) in [("first", 1), ("second", 2)] {
        let mut started = command();
        started.args(["--listen", "127.0.0.1:0"]);
        let mut serving = Serving::start(started);
        serving.read_until("ticket.pdf");
        let walk = serving
            .greeting
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .collect::<Vec<_>>()
            .join("\n");
        let walked = sh(folder, &walk);
        let printed = String::from_utf8_lossy(&walked.stdout).into_owned();
        assert!(walked.status.success(), "{start}: {printed}{}", String::from_utf8_lossy(&walked.stderr));
        assert!(printed.contains("\"state\":\"VALID\""), "{start}: {printed}");
        let pdf = std::fs::read(folder.join("ticket.pdf")).unwrap();
        assert!(pdf.starts_with(b"%PDF-"), "{start}");
        std::fs::remove_file(folder.join("ticket.pdf")).unwrap();

        let count = sh(folder, &format!("curl -s '{}/theaters'", serving.url));
        assert_eq!(String::from_utf8_lossy(&count.stdout).matches("\"timeZone\"").count(), 2, "{start}");
        let compared = command().arg("reconcile").output().unwrap();
        assert_eq!(compared.status.code(), Some(0), "{start}");
        let said = String::from_utf8_lossy(&compared.stdout).into_owned();
        assert!(said.contains(&format!("{bookings} movements equal, 0 under way, 0 different")), "{said}");
        assert_eq!(serving.terminate(), Some(0));
    }
}

fn forget_one_capture(bank: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = PoolOptions { application_name: "test", max_connections: None };
        let db = Db::connect(&DatabaseUrl::sqlite(bank), &options).await.unwrap();
        let delete = sql("DELETE FROM bank_operations WHERE idempotency_key = \
             (SELECT MIN(idempotency_key) FROM bank_operations WHERE operation = 'capture')");
        assert_eq!(delete.execute(&db).await.unwrap(), 1);
        db.close().await;
    });
}

#[test]
fn an_import_into_the_data_folder_says_what_became_of_every_row() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("movies.csv"),
        "Title,Release Date,Running Time min\nMetropolis,Mar 13 1927,153\n,Jan 01 2000,90\n",
    )
    .unwrap();
    let imported = run(folder.path(), &["import", "movies", "movies.csv", "--json"]);
    let printed = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert!(imported.status.success(), "{printed}{}", String::from_utf8_lossy(&imported.stderr));
    assert!(printed.contains("\"imported\":1") && printed.contains("\"rejected\":1"), "{printed}");
    let again = run(folder.path(), &["import", "movies", "movies.csv", "--json"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("\"unchanged\":1"));

    let missing = run(folder.path(), &["import", "movies", "nowhere.json"]);
    assert_eq!(missing.status.code(), Some(66));
}

/// Even when everything is logged, nothing that opens a door is.
#[test]
fn no_secret_gets_into_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut started = command(folder.path());
    started.args(["--listen", "127.0.0.1:0", "--log", "trace"]);
    let mut serving = Serving::logging_to(started, log);
    serving.read_until("ticket.pdf");
    let walk =
        serving.greeting.lines().filter_map(|line| line.strip_prefix("  ")).collect::<Vec<_>>().join("\n");
    let walked = sh(folder.path(), &format!("{walk}\necho token $TOKEN"));
    let printed = String::from_utf8_lossy(&walked.stdout).into_owned();
    assert_eq!(serving.terminate(), Some(0));

    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("/payments/charge"), "the log is a real one");
    let accounts = std::fs::read_to_string(folder.path().join("data/demo-accounts.env")).unwrap();
    let mut secrets: Vec<&str> =
        accounts.lines().filter_map(|line| line.split_once('=')).map(|(_, value)| value).collect();
    secrets.push(printed.lines().find_map(|line| line.strip_prefix("token ")).unwrap());
    secrets.extend(["tok_approve", "MBT1."]);
    assert_eq!(secrets.len(), 9);
    for secret in secrets {
        assert!(!log.contains(secret), "{}", log.lines().find(|line| line.contains(secret)).unwrap());
    }
}
