use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use moviebooking_proto::{Reason, problem::reason_of};
use moviebooking_store::idempotency::{self, IdempotencyError, KEPT, Request};
use moviebooking_store::{Db, StoreError, both_engines, sql};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn request(caller: &str, key: &str, message: &str) -> Request {
    Request::optional(caller, key, "test.Create", &message.to_owned()).unwrap()
}

async fn things(db: &Db) -> i64 {
    sql("SELECT COUNT(*) AS n FROM things").fetch_one(db).await.unwrap().get("n").unwrap()
}

/// A use case: makes one thing and answers with its id.
async fn create(db: &Db, request: &Request) -> Result<String, IdempotencyError> {
    let mut tx = db.begin().await?;
    if let Some(answer) = request.begin::<String>(&mut tx, NOW).await? {
        return Ok(answer);
    }
    let id = Uuid::now_v7();
    sql("INSERT INTO things (id) VALUES ($1)").bind(id).execute(&mut tx).await?;
    request.finish(&mut tx, &id.to_string()).await?;
    tx.commit().await?;
    Ok(id.to_string())
}

/// The same with the answer stored at the end.
async fn create_recorded(db: &Db, request: &Request) -> Result<String, IdempotencyError> {
    let mut tx = db.begin().await?;
    let id = Uuid::now_v7();
    sql("INSERT INTO things (id) VALUES ($1)").bind(id).execute(&mut tx).await?;
    if let Some(answer) = request.record(&mut tx, &id.to_string(), NOW).await? {
        return Ok(answer);
    }
    tx.commit().await?;
    Ok(id.to_string())
}

both_engines! {
    &crate::MIGRATIONS;

    async fn the_same_again_has_the_same_answer(db: Db) {
        let first = create(&db, &request("ann", "k", "x")).await.unwrap();
        assert_eq!(create(&db, &request("ann", "k", "x")).await.unwrap(), first);
        let found = tokio::spawn({
            let db = db.clone();
            async move { request("ann", "k", "x").lookup::<String>(&db).await }
        });
        assert_eq!(found.await.unwrap().unwrap(), Some(first));
        assert_eq!(things(&db).await, 1);
    }

    async fn a_key_is_its_callers_alone(db: Db) {
        let ann = create(&db, &request("ann", "k", "x")).await.unwrap();
        let bob = create(&db, &request("bob", "k", "x")).await.unwrap();
        assert_ne!(ann, bob);
        assert_eq!(things(&db).await, 2);
    }

    async fn another_request_with_the_key_is_refused(db: Db) {
        create(&db, &request("ann", "k", "x")).await.unwrap();
        let message = create(&db, &request("ann", "k", "y")).await.unwrap_err();
        assert!(matches!(message, IdempotencyError::Reused), "{message:?}");
        let method = Request::optional("ann", "k", "test.Delete", &"x".to_owned()).unwrap();
        let method = create(&db, &method).await.unwrap_err();
        assert_eq!(reason_of(&method.into()), Some(Reason::IdempotencyKeyReused));
        assert_eq!(things(&db).await, 1);
    }

    async fn without_a_key_each_request_counts(db: Db) {
        create(&db, &request("ann", "", "x")).await.unwrap();
        create_recorded(&db, &request("ann", "", "x")).await.unwrap();
        assert_eq!(things(&db).await, 2);
    }

    async fn side_by_side_one_acts_and_all_have_its_answer(db: Db) {
        for (key, recorded) in [("begin", false), ("record", true)] {
            let before = things(&db).await;
            let all = (0..12).map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    let request = request("ann", key, "x");
                    if recorded { create_recorded(&db, &request).await } else { create(&db, &request).await }
                })
            });
            let answers: Vec<String> = join_all(all).await.into_iter().map(|one| one.unwrap().unwrap()).collect();
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            assert_eq!(things(&db).await, before + 1);
        }
    }

    async fn a_failed_request_leaves_its_key_free(db: Db) {
        let mut tx = db.begin().await.unwrap();
        assert_eq!(request("ann", "k", "x").begin::<String>(&mut tx, NOW).await.unwrap(), None);
        drop(tx);
        create(&db, &request("ann", "k", "another")).await.unwrap();
    }

    async fn work_that_goes_on_is_in_flight(db: Db) {
        let mut tx = db.begin().await.unwrap();
        assert_eq!(request("ann", "k", "x").begin::<String>(&mut tx, NOW).await.unwrap(), None);
        tx.commit().await.unwrap();
        let again = create(&db, &request("ann", "k", "x")).await.unwrap_err();
        assert!(matches!(again, IdempotencyError::InFlight), "{again:?}");
        let other = create(&db, &request("ann", "k", "y")).await.unwrap_err();
        assert!(matches!(other, IdempotencyError::Reused), "{other:?}");

        let mut tx = db.begin().await.unwrap();
        idempotency::finish(&mut tx, "ann", "k", &"done".to_owned()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(create(&db, &request("ann", "k", "x")).await.unwrap(), "done");

        let mut tx = db.begin().await.unwrap();
        let unknown = idempotency::finish(&mut tx, "ann", "other", &"done".to_owned()).await;
        assert!(matches!(unknown, Err(StoreError::NoRow)));
    }

    async fn old_finished_keys_are_purged(db: Db) {
        create(&db, &request("ann", "1", "x")).await.unwrap();
        create(&db, &request("ann", "2", "x")).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        request("ann", "3", "x").begin::<String>(&mut tx, NOW).await.unwrap();
        tx.commit().await.unwrap();

        assert_eq!(idempotency::purge(&db, NOW + KEPT, 10).await.unwrap(), 0);
        let later = NOW + KEPT + SignedDuration::from_secs(1);
        assert_eq!(idempotency::purge(&db, later, 1).await.unwrap(), 1);
        assert_eq!(idempotency::purge(&db, later, 10).await.unwrap(), 1);
        assert!(matches!(create(&db, &request("ann", "3", "x")).await, Err(IdempotencyError::InFlight)));
        create(&db, &request("ann", "1", "new")).await.unwrap();
    }
}

#[test]
fn keys_are_visible_ascii() {
    for key in ["a b", "é", "a\n", "\0", &"k".repeat(256)] {
        let error = Request::optional("ann", key, "m", &()).unwrap_err();
        assert!(matches!(error, IdempotencyError::Malformed), "{key:?}");
        assert_eq!(reason_of(&error.into()), Some(Reason::InvalidArgument));
    }
    assert!(Request::required("ann", &"k".repeat(255), "m", &()).is_ok());
    let missing = Request::required("ann", "", "m", &()).unwrap_err();
    assert_eq!(reason_of(&missing.into()), Some(Reason::IdempotencyKeyMissing));
}
