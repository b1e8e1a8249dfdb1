//! What others are told of payments.

use moviebooking_events::Source as _;
use moviebooking_proto::payments::v1::RefundRequest;
use moviebooking_store::{Db, both_engines, sql};
use serde_json::Value;

use super::world::{World, admin, customer};
use crate::History;

/// The types of the events that are not published yet, and their data; they are then.
async fn publish(db: &Db) -> Vec<(String, Value)> {
    let batch = History.unpublished(db, 100).await.unwrap();
    if batch.rows > 0 {
        History.published(db, batch.receipt).await.unwrap();
    }
    let read = |event: moviebooking_events::Event| {
        let kind = event.kind.rsplit('.').next().unwrap_or_default().to_owned();
        (kind, serde_json::from_str(&event.data).unwrap())
    };
    batch.events.into_iter().map(read).collect()
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn what_concerns_others_is_told_once_and_in_order(db: Db) {
        let world = World::new(db.clone()).await;
        let paid = world.paid(&customer(), &[1200, 800]).await;
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["created", "authorised", "captured", "completed"]);
        for (_, data) in &told {
            assert_eq!(data["payment"]["paymentId"], paid.id.as_str());
            assert_eq!(data["payment"]["amount"]["amountMinor"], "2000");
        }
        let everything =
            RefundRequest { payment_id: paid.id.clone(), request_id: world.key(), ..RefundRequest::default() };
        world.refund(&admin(), &everything).await.unwrap();
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["refund_requested", "refunded"]);
        assert_eq!(told[1].1["refunded"]["amountMinor"], "2000");
        assert!(publish(&db).await.is_empty());

        let buyer = customer();
        let bill = world.bill(&world.hold(&buyer, &[500]), "tok_insufficient_funds");
        world.charge(&buyer, &bill).await.unwrap_err();
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["created", "declined"]);
        assert_eq!(told[1].1["reason"], "PAYMENT_DECLINED");
    }

    /// A version that was counted without an event keeps nobody's events back.
    async fn a_version_without_an_event_is_passed_over(db: Db) {
        let world = World::new(db.clone()).await;
        world.paid(&customer(), &[1200]).await;
        publish(&db).await;
        sql("UPDATE payments SET version = version + 1").execute(&db).await.unwrap();
        let batch = History.unpublished(&db, 100).await.unwrap();
        assert_eq!((batch.rows, batch.events.len()), (1, 0));
        History.published(&db, batch.receipt).await.unwrap();
        assert_eq!(History.unpublished(&db, 100).await.unwrap().rows, 0);
    }
}
