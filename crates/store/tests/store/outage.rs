//! A server that goes away and comes back, seen through a gate in front of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moviebooking_store::testing::TestDb;
use moviebooking_store::{DatabaseUrl, Db, PoolOptions, StoreError, sql};
use tokio::join;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

const OPTIONS: PoolOptions = PoolOptions { application_name: "test", max_connections: Some(4) };

/// Far longer than an answer takes, and shorter than one request would wait for a server that is gone.
const SOON: Duration = Duration::from_secs(4);

struct Gate {
    open: watch::Sender<bool>,
    /// New connections are accepted and nothing comes of them for now.
    stalled: watch::Sender<bool>,
    /// Connections that were let through.
    passed: Arc<AtomicUsize>,
}

/// Passes connections on while it is open. When it closes, they are cut and new ones are refused.
async fn gate(server: SocketAddr) -> (SocketAddr, Gate) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, mut opened) = watch::channel(true);
    let (stalled, stalls) = watch::channel(false);
    let passed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&passed);
    tokio::spawn(async move {
        let mut listener = Some(listener);
        loop {
            let listening = match listener.take() {
                Some(listening) => listening,
                None => TcpListener::bind(address).await.unwrap(),
            };
            while *opened.borrow_and_update() {
                tokio::select! {
                    _ = opened.changed() => {}
                    accepted = listening.accept() => {
                        let mut outer = accepted.unwrap().0;
                        count.fetch_add(1, Ordering::SeqCst);
                        let (mut closed, mut stalls) = (opened.clone(), stalls.clone());
                        tokio::spawn(async move {
                            let _ = stalls.wait_for(|stalled| !stalled).await;
                            let mut inner = TcpStream::connect(server).await.unwrap();
                            tokio::select! {
                                _ = tokio::io::copy_bidirectional(&mut outer, &mut inner) => {}
                                _ = closed.wait_for(|open| !open) => {}
                            }
                        });
                    }
                }
            }
            drop(listening);
            if opened.wait_for(|open| *open).await.is_err() {
                return;
            }
        }
    });
    (address, Gate { open, stalled, passed })
}

/// A database, reached through a gate.
async fn behind_a_gate() -> (TestDb, Db, Gate) {
    let given = std::env::var("MOVIEBOOKING_TEST_POSTGRES_URL").unwrap();
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let (db, gate) = through_a_gate(&database, given.rsplit_once('@').unwrap().0).await;
    (database, db, gate)
}

/// The same for whom the URL's beginning names.
async fn through_a_gate(database: &TestDb, credentials: &str) -> (Db, Gate) {
    let shown = database.url().to_string();
    let (server, name) = shown.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
    let (address, gate) = gate(server).await;
    let url: DatabaseUrl = format!("{credentials}@{address}/{name}").parse().unwrap();
    (Db::connect(&url, &OPTIONS).await.unwrap(), gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_server_that_is_gone_and_everybody_is_served_when_it_is_back() {
    let (_database, db, gate) = behind_a_gate().await;
    db.ping().await.unwrap();
    gate.open.send(false).unwrap();
    let refused = async {
        for _ in 0..50 {
            let error = db.ping().await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            assert!(db.begin().await.is_err());
        }
    };
    tokio::time::timeout(SOON, refused)
        .await
        .expect("all of them are refused in the time that one would wait");
    gate.open.send(true).unwrap();
    let back = async {
        while db.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, back).await.expect("it is used again");
    // What was a connection to the old server is not handed out.
    for _ in 0..20 {
        db.ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_busy_pool_is_not_told_that_the_server_is_gone() {
    let (_database, db, gate) = behind_a_gate().await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        busy.push(db.begin().await.unwrap());
    }
    let before = gate.passed.load(Ordering::SeqCst);
    let mut waiting = JoinSet::new();
    // The pool has no more connections to make: who waits asks whether the server is there, unless it was asked just now.
    let asked = async {
        while gate.passed.load(Ordering::SeqCst) == before {
            let other = db.clone();
            waiting.spawn(async move { other.ping().await });
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.expect("the server is asked");
    assert!(waiting.try_join_next().is_none());
    drop(busy);
    for waited in waiting.join_all().await {
        waited.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_login_is_served_by_a_connection_that_comes_back_before() {
    let (_database, db, gate) = behind_a_gate().await;
    let busy = db.begin().await.unwrap();
    gate.stalled.send(true).unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let other = db.clone();
        waiting.spawn(async move { other.ping().await });
    }
    let before = gate.passed.load(Ordering::SeqCst);
    while gate.passed.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    drop(busy);
    // Also the one of them that logs in.
    for _ in 0..3 {
        let served = tokio::time::timeout(SOON, waiting.join_next()).await.expect("all are served");
        served.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_a_connection_has_it_before_who_comes_later() {
    let (_database, db, gate) = behind_a_gate().await;
    db.ping().await.unwrap();
    gate.stalled.send(true).unwrap();
    let served = RefCell::new(Vec::new());
    // Comes back with its connection and asks for another before anybody else can do anything.
    let comes_again = async {
        sql("SELECT pg_sleep(0.1)").fetch_all(&db).await.unwrap();
        db.ping().await.unwrap();
        served.borrow_mut().push("who came later");
    };
    let waits = async {
        db.ping().await.unwrap();
        served.borrow_mut().push("who waited");
    };
    join!(comes_again, waits);
    assert_eq!(served.into_inner(), ["who waited", "who came later"]);
}

/// Does something to the role `name`.
async fn role(database: &TestDb, statement: &str, name: &str) {
    let statement = statement.replace("{}", name).leak();
    sql(statement).execute(database.db()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_shut_out_waits_a_while_to_be_let_in_each_time() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let name = format!("mbtest_{}", Uuid::new_v4().simple());
    role(&database, "CREATE ROLE {} LOGIN PASSWORD 'secret'", &name).await;
    let (db, gate) = through_a_gate(&database, &format!("postgres://{name}:secret")).await;
    let busy = db.begin().await.unwrap();
    role(&database, "ALTER ROLE {} NOLOGIN", &name).await;
    let error = db.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    role(&database, "ALTER ROLE {} LOGIN", &name).await;
    let also_busy = db.begin().await.unwrap();
    role(&database, "ALTER ROLE {} NOLOGIN", &name).await;
    let before = gate.passed.load(Ordering::SeqCst);
    let other = db.clone();
    let waiting = tokio::spawn(async move { other.ping().await });
    let tried_again = async {
        while gate.passed.load(Ordering::SeqCst) < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, tried_again).await.expect("it is tried more than once");
    role(&database, "ALTER ROLE {} LOGIN", &name).await;
    waiting.await.unwrap().unwrap();
    drop((busy, also_busy));
    db.close().await;
    role(&database, "DROP ROLE {}", &name).await;
}
