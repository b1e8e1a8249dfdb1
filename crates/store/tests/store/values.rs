use jiff::Timestamp;
use moviebooking_domain::id::HallId;
use moviebooking_store::testing::TestDb;
use moviebooking_store::{Db, Engine, FromColumn, Kind, StoreError, Value, both_engines, sql};
use uuid::Uuid;

/// Writes a value into a column and reads it back.
async fn round_trip<T>(db: &Db, column: &str, value: T) -> Result<T, StoreError>
where
    T: FromColumn + Into<Value>,
{
    let (insert, select) = match column {
        "name" => ("INSERT INTO things (id, name) VALUES ($1, $2)", "SELECT name FROM things WHERE id = $1"),
        "number" => {
            ("INSERT INTO things (id, number) VALUES ($1, $2)", "SELECT number FROM things WHERE id = $1")
        }
        "flag" => ("INSERT INTO things (id, flag) VALUES ($1, $2)", "SELECT flag FROM things WHERE id = $1"),
        "bytes" => {
            ("INSERT INTO things (id, bytes) VALUES ($1, $2)", "SELECT bytes FROM things WHERE id = $1")
        }
        "at" => ("INSERT INTO things (id, at) VALUES ($1, $2)", "SELECT at FROM things WHERE id = $1"),
        other => panic!("no column {other}"),
    };
    let id = Uuid::now_v7();
    sql(insert).bind(id).bind(value).execute(db).await?;
    sql(select).bind(id).fetch_one(db).await?.get(column)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn every_type_comes_back_as_it_went(db: Db) {
        for number in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(round_trip(&db, "number", number).await.unwrap(), number);
        }
        assert_eq!(round_trip(&db, "number", i32::MIN).await.unwrap(), i32::MIN);
        assert_eq!(round_trip(&db, "number", u32::MAX).await.unwrap(), u32::MAX);
        for flag in [true, false] {
            assert_eq!(round_trip(&db, "flag", flag).await.unwrap(), flag);
        }
        for text in ["", "naïve 日本語 🎬 e\u{301}", "'; DROP TABLE things; --", "\u{1}\u{7f}\u{10ffff}"] {
            assert_eq!(round_trip(&db, "name", text.to_owned()).await.unwrap(), text);
        }
        for bytes in [vec![], vec![0, 255, 0], vec![7; 100_000]] {
            assert_eq!(round_trip(&db, "bytes", bytes.clone()).await.unwrap(), bytes);
        }
        for time in [
            "1970-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z",
            "2026-02-28T23:59:59.123456Z", "0001-01-01T00:00:00Z", "9999-12-30T22:00:00.999999Z",
        ] {
            assert_eq!(round_trip(&db, "at", at(time)).await.unwrap(), at(time), "{time}");
        }
    }

    async fn null_comes_back_as_none(db: Db) {
        assert_eq!(round_trip(&db, "number", None::<i64>).await.unwrap(), None);
        assert_eq!(round_trip(&db, "flag", None::<bool>).await.unwrap(), None);
        assert_eq!(round_trip(&db, "name", None::<String>).await.unwrap(), None);
        assert_eq!(round_trip(&db, "bytes", None::<Vec<u8>>).await.unwrap(), None);
        assert_eq!(round_trip(&db, "at", None::<Timestamp>).await.unwrap(), None);
        assert_eq!(round_trip(&db, "at", Some(at("2026-01-01T00:00:00Z"))).await.unwrap(), Some(at("2026-01-01T00:00:00Z")));
        let row = sql("SELECT CAST($1 AS UUID) AS id").bind(None::<HallId>).fetch_one(&db).await.unwrap();
        assert_eq!(row.get::<Option<HallId>>("id").unwrap(), None);
    }

    async fn digits_below_a_microsecond_are_cut_off(db: Db) {
        let stored = round_trip(&db, "at", at("2026-01-01T00:00:00.123456789Z")).await.unwrap();
        assert_eq!(stored, at("2026-01-01T00:00:00.123456Z"));
    }

    async fn times_sort_as_times(db: Db) {
        let times = ["1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.5Z"].map(at);
        for time in [times[1], times[2], times[0]] {
            round_trip(&db, "at", time).await.unwrap();
        }
        let rows = sql("SELECT at FROM things WHERE at < $1 ORDER BY at").bind(at("1980-01-01T00:00:00Z"));
        let rows = rows.fetch_all(&db).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get("at").unwrap()).collect::<Vec<Timestamp>>(), times);
    }

    async fn what_no_column_holds_is_the_requests_fault(db: Db) {
        let nul = round_trip(&db, "name", "a\0b".to_owned()).await.unwrap_err();
        assert!(matches!(nul, StoreError::InvalidValue(_)), "{nul:?}");
        assert_eq!(tonic::Status::from(nul).code(), tonic::Code::InvalidArgument);
        for time in [Timestamp::MIN, at("0000-12-31T23:59:59Z")] {
            let early = round_trip(&db, "at", time).await.unwrap_err();
            assert!(matches!(early, StoreError::InvalidValue(_)), "{early:?}");
        }
        assert_eq!(
            round_trip(&db, "at", Timestamp::MAX).await.unwrap().as_microsecond(),
            Timestamp::MAX.as_microsecond()
        );
    }

    async fn a_column_of_another_type_is_an_error(db: Db) {
        let row = sql("SELECT $1 AS name, $2 AS number, $3 AS none")
            .bind("text").bind(5_i64).bind(None::<i64>).fetch_one(&db).await.unwrap();
        assert!(matches!(row.get::<i64>("name"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(row.get::<String>("number"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(row.get::<Uuid>("number"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(row.get::<Timestamp>("none"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(row.get::<i64>("none"), Err(StoreError::Corrupt { .. })));
        assert!(matches!(row.get::<i64>("missing"), Err(StoreError::Corrupt { .. })));
        assert_eq!(row.get::<i64>("number").unwrap(), 5);
    }

    async fn ids_lists_and_rows_are_bound(db: Db) {
        let ids: Vec<HallId> = (0..4).map(|_| HallId::from(Uuid::now_v7())).collect();
        let mut insert = sql("INSERT INTO things (id, number, name) VALUES ");
        insert.push_rows(ids.iter().zip(0_i64..).map(|(id, n)| [(*id).into(), n.into(), None::<&str>.into()]));
        assert_eq!(insert.execute(&db).await.unwrap(), 4);

        let mut select = sql("SELECT id FROM things WHERE number >= $1").bind(1_i64);
        select.push(" AND id IN ").push_list(ids[..3].iter().copied()).push(" ORDER BY number LIMIT ").push_bind(9_i64);
        let rows = select.fetch_all(&db).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get("id").unwrap()).collect::<Vec<HallId>>(), ids[1..3]);

        let mut none = sql("SELECT id FROM things WHERE id IN ");
        none.push_list(Vec::<HallId>::new());
        assert!(none.fetch_optional(&db).await.unwrap().is_none());
        assert!(matches!(
            sql("SELECT id FROM things WHERE number = 77").fetch_one(&db).await,
            Err(StoreError::NoRow)
        ));
    }

    async fn arrays_are_bound_on_postgresql_alone(db: Db) {
        match db.engine() {
            Engine::Postgres => {
                let query = sql("SELECT cardinality($1::BIGINT[]) + cardinality($2::TEXT[]) + cardinality($3::UUID[]) AS n");
                let query = query.bind(vec![1_i64, 2]).bind(vec!["a".to_owned()]).bind(vec![Uuid::nil()]);
                assert_eq!(query.fetch_one(&db).await.unwrap().get::<i64>("n").unwrap(), 4);
                let nul = sql("SELECT $1::TEXT[] AS n").bind(vec!["\0".to_owned()]).fetch_one(&db).await;
                assert!(matches!(nul, Err(StoreError::InvalidValue(_))));
            }
            Engine::Sqlite => {
                assert!(matches!(
                    sql("SELECT $1").bind(vec![1_i64]).fetch_one(&db).await,
                    Err(StoreError::Other { .. })
                ));
            }
        }
    }
}

#[tokio::test]
async fn rows_go_as_arrays_with_and_without_values() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let time = at("2026-02-28T23:59:59.123456Z");
    let id = Uuid::now_v7();
    let full: [Value; 6] =
        [id.into(), "a".into(), 7_i64.into(), true.into(), vec![0_u8, 255].into(), time.into()];
    let kinds = [Kind::Uuid, Kind::Text, Kind::I64, Kind::Bool, Kind::Bytes, Kind::Time];
    let empty = kinds.map(Value::Null);
    let mut query = sql("SELECT * FROM ");
    query.push_unnest(kinds, [empty.clone(), full]).push(" AS row (id, name, number, flag, bytes, at)");
    assert_eq!(
        query.text(),
        "SELECT * FROM (SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)) AS row (id, name, \
         number, flag, bytes, at)"
    );
    let rows = query.fetch_all(database.db()).await.unwrap();
    let [none, some] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert_eq!(some.get::<Uuid>("id").unwrap(), id);
    assert_eq!(some.get::<String>("name").unwrap(), "a");
    assert_eq!(some.get::<i64>("number").unwrap(), 7);
    assert!(some.get::<bool>("flag").unwrap());
    assert_eq!(some.get::<Vec<u8>>("bytes").unwrap(), [0, 255]);
    assert_eq!(some.get::<Timestamp>("at").unwrap(), time);
    assert_eq!(none.get::<Option<Uuid>>("id").unwrap(), None);
    assert_eq!(none.get::<Option<String>>("name").unwrap(), None);
    assert_eq!(none.get::<Option<i64>>("number").unwrap(), None);
    assert_eq!(none.get::<Option<bool>>("flag").unwrap(), None);
    assert_eq!(none.get::<Option<Vec<u8>>>("bytes").unwrap(), None);
    assert_eq!(none.get::<Option<Timestamp>>("at").unwrap(), None);

    let mut mixed = sql("SELECT * FROM ");
    mixed.push_unnest([Kind::I64], [[1_i64.into()], ["one".into()]]).push(" AS number");
    let error = mixed.fetch_all(database.db()).await.unwrap_err();
    assert!(error.chain().contains("values of several types"), "{error:?}");
}
