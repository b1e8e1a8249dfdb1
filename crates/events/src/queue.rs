//! For a history of a service's own: which of its rows are not known to be published.

use moviebooking_store::{Db, Engine, Kind, StoreError, sql};
use uuid::Uuid;

/// A table that has a row for each row of a history that is to be published: whose history it is, and the number in it.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// The table.
    pub table: &'static str,
    /// The column that says whose history it is.
    pub id: &'static str,
    /// The column of the number.
    pub number: &'static str,
}

impl Queue {
    /// Notes that rows are published; there must be at least one.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove(
        self,
        db: &Db,
        published: impl IntoIterator<Item = (Uuid, i64)>,
    ) -> Result<(), StoreError> {
        let published = published.into_iter().map(|(id, number)| [id.into(), number.into()]);
        let mut delete = sql("DELETE FROM ");
        delete.push(self.table);
        match db.engine() {
            Engine::Postgres => {
                delete.push(" USING ");
                delete.push_few("published (its_id, its_number, at)", [Kind::Uuid, Kind::I64], published);
                delete.push(" WHERE ").push(self.id);
                delete.push(" = its_id AND ").push(self.number).push(" = its_number");
            }
            Engine::Sqlite => {
                delete.push(" WHERE (").push(self.id).push(", ").push(self.number).push(") IN (VALUES ");
                delete.push_rows(published).push(")");
            }
        }
        delete.execute(db).await.map(drop)
    }
}
