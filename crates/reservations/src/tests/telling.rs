//! What others are told of changes.

use moviebooking_events::{Event, Source as _};
use moviebooking_store::{Db, sql};
use serde_json::Value;

use super::{everywhere, world::World};
use crate::History;

/// The events that are not published yet, each with its data; they are then.
async fn publish(db: &Db, limit: i64) -> Vec<(Event, Value)> {
    let batch = History.unpublished(db, limit).await.unwrap();
    if batch.rows > 0 {
        History.published(db, batch.receipt).await.unwrap();
    }
    let data = |event: Event| serde_json::from_str(&event.data).map(|data| (event, data)).unwrap();
    batch.events.into_iter().map(data).collect()
}

everywhere! {
    async fn every_change_is_told_once_and_in_order(world: World) {
        let (db, buyer) = (world.service.db.clone(), world.buyer());
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        let other = world.hold(&buyer, &["A3"]).await.unwrap();
        let told = publish(&db, 1).await;
        let [(event, data)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(event.kind, "moviebooking.reservations.reservation.held");
        assert_eq!((&event.subject, &event.partition_key), (&held.id, &held.showtime_id));
        assert_eq!(event.id, format!("{}-1", held.showtime_id));
        assert_eq!(data["change"]["seats"], serde_json::json!(["A1", "A2"]));
        assert_eq!(data["change"]["reservationId"], held.id.as_str());
        assert!(data["expireTime"].is_string());

        world.release(&buyer, &other.id).await.unwrap();
        world.confirm(&held.id, world.payment()).await.unwrap();
        world.close().await;
        let told = publish(&db, 100).await;
        let kinds: Vec<&str> = told.iter().filter_map(|(event, _)| event.kind.split('.').nth(3)).collect();
        assert_eq!(kinds, ["held", "released", "confirmed", "closed"]);
        let numbers: Vec<&Value> =
            told.iter().map(|(_, data)| data.pointer("/change/sequence").unwrap_or(&data["sequence"])).collect();
        assert_eq!(numbers, ["2", "3", "4", "5"]);
        assert!(publish(&db, 100).await.is_empty());
    }

    /// A change that is made between reading and noting stays to be published.
    async fn what_changes_meanwhile_is_told_next(world: World) {
        let (db, buyer) = (world.service.db.clone(), world.buyer());
        world.hold(&buyer, &["A1"]).await.unwrap();
        let batch = History.unpublished(&db, 100).await.unwrap();
        world.hold(&buyer, &["A2"]).await.unwrap();
        History.published(&db, batch.receipt).await.unwrap();
        assert_eq!(publish(&db, 100).await.len(), 1);
        let marked = sql("SELECT COUNT(*) AS n FROM unpublished_changes").fetch_one(&db).await.unwrap();
        assert_eq!(marked.get::<i64>("n").unwrap(), 0);
    }
}
