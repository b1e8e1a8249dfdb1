//! Movies from files.

use std::collections::HashSet;

use jiff::Timestamp;
use moviebooking_events::outbox;
use moviebooking_proto::movies::v1::MovieCreated;
use moviebooking_store::{Db, StoreError, Value, sql};

use super::movies::{INSERT, add_genres, values};
use crate::movie::Movie;

/// What an import knows a movie by: the same for the same row in every run.
pub(crate) type ImportKey = [u8; 32];

/// Adds those movies whose keys no movie has or had, in one transaction, and returns their keys. No key is given twice.
pub(crate) async fn add_new(
    db: &Db,
    movies: &[(ImportKey, Movie)],
    now: Timestamp,
) -> Result<HashSet<Vec<u8>>, StoreError> {
    if movies.is_empty() {
        return Ok(HashSet::new());
    }
    let mut tx = db.begin().await?;
    let rows: Vec<[Value; 15]> = movies.iter().map(|(key, movie)| values(movie, Some(*key))).collect();
    let mut insert = sql(INSERT);
    insert.push_rows(rows).push(" ON CONFLICT (import_key) DO NOTHING RETURNING import_key");
    let added = insert
        .fetch_all(&mut tx)
        .await?
        .iter()
        .map(|row| row.get("import_key"))
        .collect::<Result<HashSet<Vec<u8>>, _>>()?;
    let new: Vec<&Movie> =
        movies.iter().filter(|(key, _)| added.contains(key.as_slice())).map(|(_, movie)| movie).collect();
    add_genres(&mut tx, &new).await?;
    let told: Vec<MovieCreated> =
        new.iter().map(|movie| MovieCreated { movie_id: movie.id.to_string() }).collect();
    outbox::append_all(&mut tx, now, told.iter().map(|event| (&event.movie_id, event))).await?;
    tx.commit().await?;
    Ok(added)
}
