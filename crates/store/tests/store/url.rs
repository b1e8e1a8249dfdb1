use moviebooking_store::{ConnectError, DatabaseUrl, Db, PoolOptions};

const OPTIONS: PoolOptions = PoolOptions { application_name: "test", max_connections: None };

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let error = Db::connect(&DatabaseUrl::sqlite("/nowhere/at/all.db"), &OPTIONS).await.unwrap_err();
    assert!(matches!(error, ConnectError::File { .. }), "{error:?}");
    assert_eq!(error.to_string(), "cannot open the database file /nowhere/at/all.db");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::write(&path, "not a database, but long enough to be read as the header of one".repeat(20))
        .unwrap();
    let error = Db::connect(&DatabaseUrl::sqlite(&path), &OPTIONS).await.unwrap_err();
    assert!(matches!(error, ConnectError::Connect { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let db = Db::connect(&DatabaseUrl::sqlite(&path), &OPTIONS).await.unwrap();
    db.ping().await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_with_its_cause_and_without_the_password() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url: DatabaseUrl = format!("postgres://ann:hunter2@127.0.0.1:{port}/movies").parse().unwrap();
    let error = Db::connect(&url, &OPTIONS).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to the database postgres://ann@127.0.0.1:{port}/movies")
    );
    let ConnectError::Connect { source, .. } = error else { panic!("{error:?}") };
    assert!(source.chain().contains("refused"), "{source:?}");
}
