//! A database's password is changed: the one before is good for an hour, and then its role goes.

use crate::shared::{Shared, shared};

/// What the server of the databases answers.
fn sql(cinema: &Shared, database: &str, statement: &str) -> String {
    let psql = ["psql", "--username=postgres", "--tuples-only", "--no-align", "--dbname", database];
    let exec = [&["exec", "cinema-postgresql-0", "--"], &psql[..], &["--command", statement]].concat();
    cinema.kubectl(&exec).trim().to_owned()
}

/// The role that logs in to the database of theaters, as its Secret says.
fn login(cinema: &Shared) -> String {
    let name = ["get", "secret/cinema-theaters-credentials", "--ignore-not-found"];
    let encoded =
        cinema.kubectl(&[&name[..], &["--output=go-template={{.data.username | base64decode}}"]].concat());
    encoded.trim().to_owned()
}

/// Deletes the Secret, waits until the service connects by the next one alone, and gives the roles before and after.
fn change(cinema: &Shared) -> (String, String) {
    let before = login(cinema);
    cinema.kubectl(&["delete", "secret/cinema-theaters-credentials"]);
    cinema.wait_until("there is no other role", || {
        let now = login(cinema);
        !now.is_empty() && now != before
    });
    cinema.wait_until_settled();
    let after = login(cinema);
    cinema.wait_until("the service does not connect by the new role", || {
        let connected = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'theaters'";
        sql(cinema, "theaters", &format!("{connected} AND usename <> 'postgres'")) == after
    });
    (before, after)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_before_is_good_for_an_hour() {
    let cinema = shared().await;
    let (first, second) = change(&cinema);
    let lasts = "rolvaliduntil BETWEEN now() + INTERVAL '50 minutes' AND now() + INTERVAL '1 hour'";
    assert_eq!(
        sql(&cinema, "theaters", &format!("SELECT {lasts} FROM pg_roles WHERE rolname = '{first}'")),
        "t"
    );
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(sql(&cinema, "theaters", owners), "theaters");

    // As if the hour had passed.
    sql(&cinema, "theaters", &format!("ALTER ROLE {first} VALID UNTIL '2001-01-01'"));
    let (before, third) = change(&cinema);
    assert_eq!(before, second);
    let roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'theaters\\_%' AND rolvaliduntil > now()";
    let mut left: Vec<String> = sql(&cinema, "theaters", roles).lines().map(str::to_owned).collect();
    let mut expected = vec![second, third];
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    let dropped = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{first}'");
    assert_eq!(sql(&cinema, "theaters", &dropped), "0");
}
