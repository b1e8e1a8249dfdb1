//! The table `theaters`.

use jiff::Timestamp;
use moviebooking_domain::{id::TheaterId, refund::RefundPolicy};
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, sql};
use uuid::Uuid;

use super::{join, split};
use crate::theaters::{Address, Theater};

pub(crate) async fn open_theater(tx: &mut Tx, theater: &Theater) -> Result<(), StoreError> {
    let (address, policy) = (&theater.address, theater.refund_policy);
    sql("INSERT INTO theaters (id, display_name, address_lines, postal_code, city, region, country_code, \
         time_zone, currency, created_at, updated_at, version, refund_until_minutes, refund_fee_basis_points, \
         refund_fee_minor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)")
    .bind(theater.id)
    .bind(&theater.display_name)
    .bind(join(&address.lines))
    .bind(&address.postal_code)
    .bind(&address.city)
    .bind(&address.region)
    .bind(&address.country_code)
    .bind(&theater.time_zone)
    .bind(theater.currency.code())
    .bind(theater.created_at)
    .bind(theater.updated_at)
    .bind(theater.version)
    .bind(policy.map(|policy| i64::from(policy.until_minutes_before_start)))
    .bind(policy.map(|policy| i64::from(policy.fee_basis_points)))
    .bind(policy.map(|policy| policy.fee_minor))
    .execute(tx)
    .await
    .map(drop)
}

pub(crate) async fn find_theater(on: Executor<'_>, id: TheaterId) -> Result<Option<Theater>, StoreError> {
    let row = sql("SELECT * FROM theaters WHERE id = $1").bind(id).fetch_optional(on).await?;
    row.as_ref().map(read).transpose()
}

/// Open theaters with a larger id than `after`.
pub(crate) async fn list_theaters(
    db: &Db,
    after: Option<TheaterId>,
    limit: i64,
) -> Result<Vec<Theater>, StoreError> {
    let rows = sql("SELECT * FROM theaters WHERE closed_at IS NULL AND id > $1 ORDER BY id LIMIT $2")
        .bind(after.map_or(Uuid::nil(), TheaterId::uuid))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn theater_has_halls(tx: &mut Tx, id: TheaterId) -> Result<bool, StoreError> {
    let row = sql("SELECT EXISTS (SELECT 1 FROM halls WHERE theater_id = $1) AS found")
        .bind(id)
        .fetch_one(tx)
        .await?;
    row.get("found")
}

pub(crate) async fn change_theater(tx: &mut Tx, theater: &Theater) -> Result<(), StoreError> {
    let (address, policy) = (&theater.address, theater.refund_policy);
    sql("UPDATE theaters SET display_name = $2, address_lines = $3, postal_code = $4, city = $5, region = $6, \
         country_code = $7, time_zone = $8, currency = $9, updated_at = $10, version = $11, \
         refund_until_minutes = $12, refund_fee_basis_points = $13, refund_fee_minor = $14 WHERE id = $1")
    .bind(theater.id)
    .bind(&theater.display_name)
    .bind(join(&address.lines))
    .bind(&address.postal_code)
    .bind(&address.city)
    .bind(&address.region)
    .bind(&address.country_code)
    .bind(&theater.time_zone)
    .bind(theater.currency.code())
    .bind(theater.updated_at)
    .bind(theater.version)
    .bind(policy.map(|policy| i64::from(policy.until_minutes_before_start)))
    .bind(policy.map(|policy| i64::from(policy.fee_basis_points)))
    .bind(policy.map(|policy| policy.fee_minor))
    .execute(tx)
    .await
    .map(drop)
}

/// Closes the theater and its open halls.
pub(crate) async fn close_theater(tx: &mut Tx, id: TheaterId, now: Timestamp) -> Result<(), StoreError> {
    for statement in [
        "UPDATE theaters SET closed_at = $2, updated_at = $2, version = version + 1 WHERE id = $1",
        "UPDATE halls SET closed_at = $2, updated_at = $2, version = version + 1 \
         WHERE theater_id = $1 AND closed_at IS NULL",
    ] {
        sql(statement).bind(id).bind(now).execute(&mut *tx).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<Theater, StoreError> {
    let currency = row.get::<String>("currency")?;
    Ok(Theater {
        id: row.get("id")?,
        display_name: row.get("display_name")?,
        address: Address {
            lines: split(&row.get::<String>("address_lines")?),
            postal_code: row.get("postal_code")?,
            city: row.get("city")?,
            region: row.get("region")?,
            country_code: row.get("country_code")?,
        },
        time_zone: row.get("time_zone")?,
        currency: currency.parse().map_err(|source: moviebooking_domain::money::InvalidCurrency| {
            StoreError::Corrupt { column: "currency".to_owned(), source: source.into() }
        })?,
        refund_policy: refund_policy(row)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        closed: row.get::<Option<Timestamp>>("closed_at")?.is_some(),
        version: row.get("version")?,
    })
}

fn refund_policy(row: &Row) -> Result<Option<RefundPolicy>, StoreError> {
    let parts: (Option<i32>, Option<i32>, Option<i64>) =
        (row.get("refund_until_minutes")?, row.get("refund_fee_basis_points")?, row.get("refund_fee_minor")?);
    Ok(match parts {
        (Some(until_minutes_before_start), Some(fee_basis_points), Some(fee_minor)) => {
            Some(RefundPolicy { until_minutes_before_start, fee_basis_points, fee_minor })
        }
        _ => None,
    })
}
