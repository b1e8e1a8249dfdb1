//! Movies in the database.

use jiff::Timestamp;
use moviebooking_domain::id::MovieId;
use moviebooking_store::{Executor, Row, StoreError, Tx, Value, sql};

use crate::{
    catalogue::Filter,
    fold::fold,
    movie::{Details, Movie},
};

/// The genres come in one column, one per line: no genre has a line break.
const SELECT: &str = "SELECT m.id, m.title, m.synopsis, m.content_rating, m.running_time_minutes, m.release_date, \
     m.director, m.distributor, m.critics_score, m.audience_score, m.created_at, m.updated_at, m.version, \
     (SELECT string_agg(g.genre, '\n' ORDER BY g.position) FROM movie_genres g WHERE g.movie_id = m.id) AS genres \
     FROM movies m WHERE m.deleted_at IS NULL";

/// The last movie of the page before.
#[derive(Clone, Debug)]
pub(crate) struct After {
    pub(crate) title_key: String,
    pub(crate) id: MovieId,
}

/// Makes whoever changes, deletes or schedules the movie wait for each other. Taken before the lock on a hall.
pub(crate) async fn lock(tx: &mut Tx, id: MovieId) -> Result<(), StoreError> {
    tx.lock("movie", id.uuid()).await
}

pub(crate) async fn get(on: impl Into<Executor<'_>>, id: MovieId) -> Result<Option<Movie>, StoreError> {
    let mut query = sql(SELECT);
    query.push(" AND m.id = ").push_bind(id);
    query.fetch_optional(on).await?.as_ref().map(movie).transpose()
}

/// The movies that pass the filter, ordered by folded title and id.
pub(crate) async fn list(
    on: impl Into<Executor<'_>>,
    filter: &Filter,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Movie>, StoreError> {
    let mut query = sql(SELECT);
    if let Some(after) = after {
        query.push(" AND (m.title_key, m.id) > (").push_bind(&after.title_key);
        query.push(", ").push_bind(after.id).push(")");
    }
    for word in &filter.words {
        query.push(" AND m.title_key LIKE ").push_bind(contains(word)).push(" ESCAPE '\\'");
    }
    if !filter.genres.is_empty() {
        query.push(" AND EXISTS (SELECT 1 FROM movie_genres g WHERE g.movie_id = m.id AND g.genre IN ");
        query.push_list(&filter.genres).push(")");
    }
    if !filter.content_ratings.is_empty() {
        query.push(" AND m.content_rating IN ").push_list(&filter.content_ratings);
    }
    if let Some(date) = filter.released_from {
        query.push(" AND m.release_date >= ").push_bind(date.to_string());
    }
    if let Some(date) = filter.released_to {
        query.push(" AND m.release_date <= ").push_bind(date.to_string());
    }
    if let Some(minutes) = filter.least_running_time {
        query.push(" AND m.running_time_minutes >= ").push_bind(minutes);
    }
    if let Some(minutes) = filter.most_running_time {
        query.push(" AND m.running_time_minutes <= ").push_bind(minutes);
    }
    query.push(" ORDER BY m.title_key, m.id LIMIT ").push_bind(limit);
    query.fetch_all(on).await?.iter().map(movie).collect()
}

/// The pattern of texts that contain `word`, none of whose characters stands for others.
fn contains(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

pub(crate) async fn add(tx: &mut Tx, movie: &Movie) -> Result<(), StoreError> {
    let mut insert = sql(INSERT);
    insert.push_rows([values(movie, None)]);
    insert.execute(&mut *tx).await?;
    add_genres(tx, &[movie]).await
}

/// The head of a statement whose rows [`values`] makes.
pub(super) const INSERT: &str = "INSERT INTO movies (id, title, title_key, synopsis, content_rating, \
     running_time_minutes, release_date, director, distributor, critics_score, audience_score, import_key, \
     created_at, updated_at, version) VALUES ";

pub(super) fn values(movie: &Movie, import_key: Option<[u8; 32]>) -> [Value; 15] {
    let details = &movie.details;
    [
        movie.id.into(),
        (&details.title).into(),
        fold(&details.title).into(),
        (&details.synopsis).into(),
        (&details.content_rating).into(),
        details.running_time_minutes.into(),
        details.release_date.map(|date| date.to_string()).into(),
        (&details.director).into(),
        (&details.distributor).into(),
        details.critics_score.into(),
        details.audience_score.into(),
        import_key.into(),
        movie.create_time.into(),
        movie.update_time.into(),
        movie.version.into(),
    ]
}

/// The genres of movies that have none yet.
pub(super) async fn add_genres(tx: &mut Tx, movies: &[&Movie]) -> Result<(), StoreError> {
    let rows: Vec<[Value; 3]> = movies
        .iter()
        .flat_map(|movie| (0_i64..).zip(&movie.details.genres).map(|(at, genre)| (movie.id, at, genre)))
        .map(|(id, position, genre)| [id.into(), position.into(), genre.into()])
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = sql("INSERT INTO movie_genres (movie_id, position, genre) VALUES ");
    insert.push_rows(rows);
    insert.execute(tx).await.map(drop)
}

/// Writes a movie that was read under its lock.
pub(crate) async fn change(tx: &mut Tx, movie: &Movie) -> Result<(), StoreError> {
    let details = &movie.details;
    sql("UPDATE movies SET title = $2, title_key = $3, synopsis = $4, content_rating = $5, \
         running_time_minutes = $6, release_date = $7, director = $8, distributor = $9, critics_score = $10, \
         audience_score = $11, updated_at = $12, version = $13 WHERE id = $1")
    .bind(movie.id)
    .bind(&details.title)
    .bind(fold(&details.title))
    .bind(&details.synopsis)
    .bind(&details.content_rating)
    .bind(details.running_time_minutes)
    .bind(details.release_date.map(|date| date.to_string()))
    .bind(&details.director)
    .bind(&details.distributor)
    .bind(details.critics_score)
    .bind(details.audience_score)
    .bind(movie.update_time)
    .bind(movie.version)
    .execute(&mut *tx)
    .await?;
    sql("DELETE FROM movie_genres WHERE movie_id = $1").bind(movie.id).execute(&mut *tx).await?;
    add_genres(tx, &[movie]).await
}

/// How many showtimes of the movie are scheduled and have not begun.
pub(crate) async fn showtimes_to_come(tx: &mut Tx, id: MovieId, now: Timestamp) -> Result<i64, StoreError> {
    sql("SELECT COUNT(*) AS count FROM showtimes WHERE movie_id = $1 AND start_time > $2 AND cancelled_at IS NULL")
        .bind(id)
        .bind(now)
        .fetch_one(tx)
        .await?
        .get("count")
}

pub(crate) async fn remove(tx: &mut Tx, id: MovieId, now: Timestamp) -> Result<(), StoreError> {
    sql("UPDATE movies SET deleted_at = $2 WHERE id = $1").bind(id).bind(now).execute(tx).await.map(drop)
}

fn movie(row: &Row) -> Result<Movie, StoreError> {
    let release_date: Option<String> = row.get("release_date")?;
    let release_date = release_date.map(|date| date.parse()).transpose().map_err(|error: jiff::Error| {
        StoreError::Corrupt { column: "release_date".to_owned(), source: error.into() }
    })?;
    let genres: Option<String> = row.get("genres")?;
    Ok(Movie {
        id: row.get("id")?,
        details: Details {
            title: row.get("title")?,
            synopsis: row.get("synopsis")?,
            genres: genres.map_or_else(Vec::new, |genres| genres.split('\n').map(str::to_owned).collect()),
            content_rating: row.get("content_rating")?,
            running_time_minutes: row.get("running_time_minutes")?,
            release_date,
            director: row.get("director")?,
            distributor: row.get("distributor")?,
            critics_score: row.get("critics_score")?,
            audience_score: row.get("audience_score")?,
        },
        create_time: row.get("created_at")?,
        update_time: row.get("updated_at")?,
        version: row.get("version")?,
    })
}
