use std::{collections::HashMap, ffi::OsString};

use clap::Parser as _;
use moviebooking_domain::clock::{ManualClock, SystemClock};
use moviebooking_movies::{
    MIGRATIONS,
    import::{self, Format, ImportError, Outcome, Report, RowReport, Silent, Summary},
};
use moviebooking_proto::movies::v1::{DeleteMovieRequest, ListMoviesRequest, Movie};
use moviebooking_store::{Db, both_engines, sql};

use crate::world::{START, World, time};

const CATALOGUE: &[u8] = include_bytes!("../../data/movies.json");

/// As a process has it.
#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: import::cli::Args,
}

#[derive(Default)]
struct Heard {
    rows: Vec<RowReport>,
    progress: Vec<(u64, u64)>,
}

impl Report for Heard {
    fn row(&mut self, row: RowReport) {
        self.rows.push(row);
    }

    fn progress(&mut self, done: u64, rows: u64) {
        self.progress.push((done, rows));
    }
}

async fn load(db: &Db, file: impl AsRef<[u8]>, format: Format) -> (Summary, Heard) {
    let mut heard = Heard::default();
    let clock = ManualClock::at(time(START));
    let summary = import::run(db, &*clock, file.as_ref(), format, &mut heard).await.unwrap();
    let Summary { rows, imported, repaired, rejected, unchanged } = summary;
    assert_eq!(imported + repaired + rejected + unchanged, rows);
    assert!(heard.rows.is_sorted_by_key(|row| row.row));
    for (outcome, count) in [(Outcome::Repaired, repaired), (Outcome::Rejected, rejected)] {
        assert_eq!(heard.rows.iter().filter(|row| row.outcome == outcome).count() as u64, count);
    }
    assert_eq!(heard.progress.last().copied().unwrap_or_default(), (rows, rows));
    (summary, heard)
}

/// What is stored of all movies, by import key, and when it was last written.
async fn stored(db: &Db) -> HashMap<Vec<u8>, (String, i64, i64)> {
    sql("SELECT m.import_key, m.title, m.version, (SELECT COUNT(*) FROM movie_genres g WHERE g.movie_id = m.id) AS genres \
         FROM movies m")
        .fetch_all(db)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get("import_key").unwrap(), (row.get("title").unwrap(), row.get("version").unwrap(), row.get("genres").unwrap())))
        .collect()
}

async fn find(world: &World, query: &str) -> Vec<Movie> {
    let request = ListMoviesRequest { query: query.to_owned(), ..ListMoviesRequest::default() };
    world.movies.clone().list_movies(request).await.unwrap().into_inner().movies
}

both_engines! {
    &MIGRATIONS;

    async fn the_whole_catalogue_is_loaded_once(db: Db) {
        let (summary, heard) = load(&db, CATALOGUE, Format::Json).await;
        assert_eq!(summary, Summary { rows: 3_201, imported: 3_153, repaired: 47, rejected: 1, unchanged: 0 });
        let line = |number: u64| heard.rows.iter().find(|row| row.row == number).unwrap().to_string();
        assert_eq!(line(22), "row 22 repaired: Title: is the number 1776; taken as text");
        assert_eq!(line(41), "row 41 repaired: Title: \"AstÈrix aux Jeux Olympiques\" was Windows-1252 read as Mac Roman: \"Astérix aux Jeux Olympiques\"");
        assert_eq!(line(1_029), "row 1029 repaired: Release Date: 2027-08-12 lies in the future, but the movie has been shown; taken as 1927-08-12");
        assert_eq!(line(3_054), "row 3054 rejected: Title: is missing");

        let before = stored(&db).await;
        assert_eq!(before.len(), 3_200);
        let (again, heard) = load(&db, CATALOGUE, Format::Json).await;
        assert_eq!(again, Summary { rows: 3_201, imported: 0, repaired: 0, rejected: 1, unchanged: 3_200 });
        assert_eq!(heard.rows.len(), 1);
        assert_eq!(stored(&db).await, before);
    }

    async fn what_was_loaded_is_found(db: Db) {
        let world = World::new(db);
        load(&world.db, CATALOGUE, Format::Json).await;
        let found = find(&world, "déjà VU").await;
        let [movie] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(movie.title, "Déjà Vu");
        assert_eq!(movie.genres, ["Thriller/Suspense", "Science Fiction"]);
        assert_eq!((movie.content_rating.as_str(), movie.director.as_str()), ("PG-13", "Tony Scott"));
        assert_eq!((movie.release_date.as_str(), movie.distributor.as_str()), ("2006-11-22", "Walt Disney Pictures"));
        assert_eq!((movie.running_time_minutes, movie.critics_score, movie.audience_score), (Some(126), None, Some(70)));

        let mut request = ListMoviesRequest { page_size: 200, ..ListMoviesRequest::default() };
        let mut count = 0;
        loop {
            let page = world.movies.clone().list_movies(request.clone()).await.unwrap().into_inner();
            count += page.movies.len();
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(count, 3_200);
    }

    async fn an_interrupted_import_goes_on(db: Db) {
        let rows: Vec<serde_json::Value> = serde_json::from_slice(CATALOGUE).unwrap();
        let first = serde_json::to_vec(&rows[..1_000]).unwrap();
        let (begun, _) = load(&db, first, Format::Json).await;
        assert_eq!((begun.rows, begun.rejected), (1_000, 0));
        let (completed, _) = load(&db, CATALOGUE, Format::Json).await;
        assert_eq!(completed.unchanged, 1_000);
        assert_eq!(completed.imported + completed.repaired, 2_200);
        assert_eq!(stored(&db).await.len(), 3_200);
    }

    async fn csv_and_json_are_the_same_catalogue(db: Db) {
        let json = r#"[
            {"Title": "Brazil", "Release Date": "Dec 18 1985", "Major Genre": "Black Comedy", "IMDB Rating": 8},
            {"Title": "Brazil", "Release Date": "1985-12-18"},
            {"Title": "BRAZIL"},
            {"Title": null},
            7
        ]"#;
        let (summary, heard) = load(&db, json, Format::Json).await;
        assert_eq!(summary, Summary { rows: 5, imported: 2, repaired: 0, rejected: 3, unchanged: 0 });
        let lines: Vec<String> = heard.rows.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "row 2 rejected: Title: is a duplicate of row 1, with the same title and release date",
                "row 4 rejected: Title: is missing",
                "row 5 rejected: row: is not a JSON object",
            ]
        );
        let csv = b"\xEF\xBB\xBFTitle,Release Date,Major Genre,IMDB Rating\r\n\
            Brazil,Dec 18 1985,Black Comedy,8\r\nL\xE9on,,,8.6\r\n,,,\r\nBrazil,,\r\n";
        let (summary, heard) = load(&db, csv, Format::Csv).await;
        assert_eq!(summary, Summary { rows: 4, imported: 0, repaired: 1, rejected: 2, unchanged: 1 });
        assert_eq!(heard.rows[0].to_string(), "row 2 repaired: Title: is not UTF-8; read as Windows-1252: \"Léon\"");
        assert_eq!(heard.rows[2].to_string(), "row 4 rejected: row: has 3 values for 4 columns");
        assert_eq!(load(&db, csv, Format::Csv).await.0, Summary { rows: 4, imported: 0, repaired: 0, rejected: 2, unchanged: 2 });
    }

    async fn a_deleted_movie_is_not_brought_back(db: Db) {
        let world = World::new(db);
        let file = r#"[{"Title": "Brazil"}]"#;
        load(&world.db, file, Format::Json).await;
        let id = find(&world, "brazil").await[0].id.clone();
        world.movies.clone().delete_movie(DeleteMovieRequest { id, ..DeleteMovieRequest::default() }).await.unwrap();
        assert_eq!(load(&world.db, file, Format::Json).await.0.unchanged, 1);
        assert!(find(&world, "brazil").await.is_empty());
    }

    async fn the_command_says_by_its_code_what_is_wrong(db: Db) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).into_os_string();
        for (name, text) in [("good.json", "[{\"Title\": \"Brazil\"}, {}]"), ("bad.json", "{"), ("GOOD.CSV", "Title\nBrazil\n")] {
            std::fs::write(path(name), text).unwrap();
        }
        std::fs::write(path("catalogue"), "Title\nLéon\n").unwrap();
        std::fs::File::create(path("huge.json")).unwrap().set_len(import::LARGEST_FILE + 1).unwrap();
        let import = async |arguments: &[OsString]| {
            let command = Command::parse_from([OsString::from("import")].iter().chain(arguments));
            command.args.run(&db, &SystemClock).await.map_err(|error| (error.code(), error.to_string()))
        };
        assert_eq!(import(&[path("good.json")]).await, Ok(()));
        assert_eq!(import(&[path("GOOD.CSV"), "--json".into()]).await, Ok(()));
        assert_eq!(import(&[path("catalogue"), "--format".into(), "csv".into()]).await, Ok(()));
        assert_eq!(stored(&db).await.len(), 2);
        for (name, code, said) in [
            ("catalogue", 64, "--format csv"),
            ("bad.json", 65, "line 1"),
            ("huge.json", 65, "larger than 100 MB"),
            ("none.json", 66, "none.json"),
        ] {
            let (actual, message) = import(&[path(name)]).await.unwrap_err();
            assert_eq!(actual, code, "{message}");
            assert!(message.contains(said) && message.contains(name), "{message}");
        }
        db.close().await;
        assert_eq!(import(&[path("good.json")]).await.unwrap_err().0, 69);
    }

    async fn a_file_that_cannot_be_read_changes_nothing(db: Db) {
        let clock = ManualClock::at(time(START));
        for (file, format) in [
            (&b"[{\"Title\": \"Brazil\"},"[..], Format::Json),
            (b"\0\xFF", Format::Json),
            (b"Name\nBrazil\n", Format::Csv),
            (b"", Format::Csv),
        ] {
            let error = import::run(&db, &*clock, file, format, &mut Silent).await.unwrap_err();
            assert!(matches!(error, ImportError::Malformed(_)) && error.to_string().contains("line 1"), "{error}");
        }
        assert!(stored(&db).await.is_empty());
    }
}
