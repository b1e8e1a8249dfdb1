//! What others are told of payments.

use moviebooking_events::Source as _;
use moviebooking_proto::{Reason, payments::v1::RefundRequest};
use moviebooking_store::{Db, both_engines, sql};
use serde_json::{Value, json};

use super::{
    neighbours::Fault,
    world::{World, admin, customer, theater},
};
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
        for (_, data) in &told {
            assert_eq!(data["refund"]["ticketIds"], json!(paid.ticket_ids));
        }
        assert!(publish(&db).await.is_empty());

        let buyer = customer();
        let bill = world.bill(&world.hold(&buyer, &[500]), "tok_insufficient_funds");
        world.charge(&buyer, &bill).await.unwrap_err();
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["created", "declined"]);
        assert_eq!(told[1].1["reason"], "PAYMENT_DECLINED");

        let bill = world.bill(&world.hold(&buyer, &[500]), "tok_confirm");
        let waiting = world.charge(&buyer, &bill).await.unwrap();
        world.cancel_payment(&buyer, &waiting.id).await.unwrap();
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["created", "declined"]);
        assert_eq!(told[1].1["reason"], "PAYMENT_DECLINED");
    }

    async fn returned_tickets_are_told_with_what_is_kept_of_them(db: Db) {
        let (world, buyer) = (World::new(db.clone()).await, customer());
        let paid = world.returnable(&buyer, &[1000, 500]).await;
        publish(&db).await;
        world.refund(&buyer, &world.by_tickets(&paid, &[0])).await.unwrap();
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["refund_requested", "refunded"]);
        for (_, data) in &told {
            let refund = &data["refund"];
            assert_eq!((&refund["amount"]["amountMinor"], &refund["feeKept"]["amountMinor"]), (&json!("900"), &json!("100")));
            assert_eq!(refund["ticketIds"], json!([paid.ticket_ids[0]]));
            assert_eq!(refund["refundId"], told[0].1["refund"]["refundId"]);
        }
        // A ticket that is let in before it is void.
        world.faults.next("void_tickets", Fault::Refused(Reason::TicketAlreadyCheckedIn), 1);
        assert!(world.refund(&buyer, &world.by_tickets(&paid, &[1])).await.is_err());
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["refund_requested", "refund_refused"]);
        assert_eq!(told[1].1["refund"], told[0].1["refund"]);
    }

    async fn an_exchange_is_told_of_the_payment_for_the_old_tickets(db: Db) {
        let (world, buyer) = (World::new(db.clone()).await, customer());
        let cases = [
            (None, ["exchange_requested", "exchanged", "refunded"].as_slice()),
            (Some(("confirm", Reason::HoldReleased)), &["exchange_requested", "exchange_refused"]),
            (Some(("issue", Reason::ShowtimeCancelled)), &["exchange_requested", "exchange_reversed", "refunded"]),
        ];
        for (refusal, expected) in cases {
            let old = world.returnable(&buyer, &[1000, 500]).await;
            publish(&db).await;
            let swap = world.swap(&buyer, &old, &[0], &[1300], 300);
            if let Some((call, reason)) = refusal {
                world.faults.next(call, Fault::Refused(reason), 1);
            }
            let made = world.exchange(&buyer, &swap).await;
            assert_eq!(made.is_ok(), refusal.is_none());
            world.settle().await;
            let new = world.payment_for(&swap.reservation_id).await.id;
            let told = publish(&db).await;
            let of_old: Vec<_> = told.into_iter().filter(|(_, data)| data["payment"]["paymentId"] == old.id).collect();
            assert_eq!(kinds(&of_old), expected);
            for (_, data) in of_old.iter().filter(|(kind, _)| kind.starts_with("exchange")) {
                assert_eq!(data["exchange"], json!({"newPaymentId": new, "ticketIds": [old.ticket_ids[0]]}));
            }
        }
        world.check().await;
    }

    async fn seats_that_are_offered_to_who_paid_too_late_are_told(db: Db) {
        let (world, buyer) = (World::new(db.clone()).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        world.faults.next("confirm", Fault::Refused(Reason::HoldExpired), 1);
        assert!(world.charge(&buyer, &bill).await.is_err());
        world.settle().await;
        let offers = world.payment_for(&bill.reservation_id).await.offers;
        let told = publish(&db).await;
        assert_eq!(kinds(&told), ["created", "authorised", "voided", "seats_offered"]);
        let reservations: Vec<&Value> =
            told[3].1["offers"].as_array().unwrap().iter().map(|offer| &offer["reservationId"]).collect();
        assert!(!offers.is_empty());
        assert_eq!(reservations, offers.iter().map(|offer| offer.reservation_id.as_str()).collect::<Vec<_>>());
    }

    async fn a_cancelled_showtime_is_told_when_its_refunds_begin_and_end(db: Db) {
        let (world, buyer) = (World::new(db.clone()).await, customer());
        for _ in 0..2 {
            world.paid(&buyer, &[900]).await;
        }
        publish(&db).await;
        for _ in 0..2 {
            world.cancel().await;
        }
        let begun = publish(&db).await;
        assert_eq!(kinds(&begun), ["refunds_requested"]);
        world.settle().await;
        let told = publish(&db).await;
        let ended: Vec<_> = told.iter().filter(|(_, data)| data.get("showtimeId").is_some()).collect();
        let expected = json!({
            "showtimeId": world.showtime().to_string(),
            "theaterId": theater().to_string(),
            "paymentCount": 2,
            "refunded": {"amountMinor": "1800", "currencyCode": "EUR"},
        });
        assert_eq!(ended, [&("refunded".to_owned(), expected)]);
        assert_eq!(told.iter().filter(|(kind, _)| kind == "refund_requested").count(), 2);
        assert!(publish(&db).await.is_empty());
    }

    /// What happens between reading and noting stays to be published.
    async fn what_happens_meanwhile_is_told_next(db: Db) {
        let world = World::new(db.clone()).await;
        world.paid(&customer(), &[1200]).await;
        let batch = History.unpublished(&db, 100).await.unwrap();
        world.paid(&customer(), &[800]).await;
        History.published(&db, batch.receipt).await.unwrap();
        assert_eq!(kinds(&publish(&db).await), ["created", "authorised", "captured", "completed"]);
        let left = sql("SELECT COUNT(*) AS n FROM unpublished_events").fetch_one(&db).await.unwrap();
        assert_eq!(left.get::<i64>("n").unwrap(), 0);
    }
}
