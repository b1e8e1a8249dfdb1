//! Starting, refusing to start, stopping.

use std::{fs, net::TcpListener};

use moviebooking_store::{DatabaseUrl, Db, PoolOptions, sql};

use crate::program::{Serving, command, refusal, run};

const QUIET: [&str; 4] = ["--listen", "127.0.0.1:0", "--demo", "off"];

#[test]
fn help_explains_every_option_with_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let help = String::from_utf8(run(folder.path(), &["--help"]).stdout).unwrap();
    for name in [
        "--listen",
        "MOVIEBOOKING_LISTEN",
        "--data",
        "MOVIEBOOKING_DATA",
        "--demo",
        "MOVIEBOOKING_DEMO",
        "--log",
        "import",
    ] {
        assert!(help.contains(name), "{name}: {help}");
    }
    let imports = run(folder.path(), &["import", "movies", "--help"]);
    assert!(imports.status.success());
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "help leaves nothing behind");
}

#[test]
fn a_bad_value_is_one_line_and_exit_code_64() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&run(folder.path(), &["--listen", "three thousand"]), 64);
    assert!(error.contains("--listen") && error.contains("MOVIEBOOKING_LISTEN"), "{error}");
    let by_variable = command(folder.path()).env("MOVIEBOOKING_DEMO", "perhaps").output().unwrap();
    assert!(refusal(&by_variable, 64).contains("MOVIEBOOKING_DEMO"));
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refusal(&run(folder.path(), &["--listen", &address]), 69);
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = refusal(&run(folder.path(), &["--listen", "127.0.0.1:0", "--data", "file/data"]), 73);
    assert!(error.contains("file/data") && error.contains("--data"), "{error}");
}

#[test]
fn one_process_at_a_time_serves_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = command(folder.path());
    first.args(QUIET);
    let first = Serving::start(first);
    let error = refusal(&run(folder.path(), &QUIET), 69);
    assert!(error.contains("another process"), "{error}");
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn the_env_file_sets_what_flags_set_and_gives_way_to_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "MOVIEBOOKING_LISTEN=nonsense\nMOVIEBOOKING_DEMO=off\n").unwrap();
    assert!(refusal(&run(folder.path(), &[]), 64).contains("nonsense"));
    let mut started = command(folder.path());
    started.env("MOVIEBOOKING_LISTEN", "127.0.0.1:0").env("MOVIEBOOKING_DATA", "elsewhere");
    let serving = Serving::start(started);
    assert!(folder.path().join("elsewhere/users.db").exists());
    assert_eq!(serving.terminate(), Some(0));
}

#[tokio::test]
async fn a_database_from_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut started = command(folder.path());
    started.args(QUIET);
    assert_eq!(Serving::start(started).terminate(), Some(0));

    let url = DatabaseUrl::sqlite(folder.path().join("data/movies.db"));
    let db =
        Db::connect(&url, &PoolOptions { application_name: "test", max_connections: None }).await.unwrap();
    sql("UPDATE schema_migrations SET version = 8999, name = 'holograms' WHERE version = 1")
        .execute(&db)
        .await
        .unwrap();
    db.close().await;

    let error = refusal(&run(folder.path(), &QUIET), 78);
    assert!(error.contains("movies") && error.contains("8999"), "{error}");
}

#[test]
fn a_platform_that_cannot_be_reached_gets_no_demo() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let demo = |url: &str| {
        run(
            folder.path(),
            &["demo", "--gateway-url", url, "--admin-email", "root@demo.example", "--log", "error"],
        )
    };
    assert!(refusal(&demo(&url), 69).contains("demo"));
    refusal(&demo("somewhere"), 64);
}
