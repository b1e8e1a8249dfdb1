//! Tickets that their buyer returns, by the theater's refund policy.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use moviebooking_proto::{Reason, payments::v1::PaymentState, theaters::v1::RefundPolicy};
use moviebooking_store::{both_engines, sql};
use tonic_types::StatusExt as _;

use super::world::{World, admin, customer, euro, reason, staff};

/// Until an hour before the start, for a tenth of the price and half a euro.
const POLICY: RefundPolicy =
    RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, fee_minor: 50 };

impl World {
    /// The policy of the theater for tickets that are issued from now on.
    pub(super) fn policy(&self, policy: Option<RefundPolicy>) {
        *self.tickets.policy.lock().unwrap() = policy;
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_buyer_returns_tickets_for_a_fee(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(POLICY));
        let paid = world.paid(&buyer, &[1205, 800, 30]).await;
        assert_eq!(paid.fee_kept, Some(euro(0)));
        let request = world.by_tickets(&paid, &[0]);
        let partly = world.refund(&buyer, &request).await.unwrap();
        // 120.5 is rounded up to 121, and 50 are kept besides.
        assert_eq!((partly.refunded.clone(), partly.fee_kept.clone()), (Some(euro(1205 - 171)), Some(euro(171))));
        assert_eq!(partly.state(), PaymentState::PartiallyRefunded);
        assert_eq!(world.freed(&paid), ["A1"]);
        let refunded = world.payment(&paid.id).await.history.pop().unwrap();
        assert_eq!((refunded.kind.as_str(), refunded.detail.as_str()), ("refunded", "1.71 EUR were kept"));
        // The fee is never more than the price: the last ticket gives nothing back.
        let rest = world.refund(&buyer, &world.everything(&paid)).await.unwrap();
        assert_eq!(rest.refunded, Some(euro(1034 + 670)));
        assert_eq!(rest.fee_kept, Some(euro(171 + 130 + 30)));
        assert_eq!(world.freed(&paid), ["A1", "A2", "A3"]);
        assert_eq!(world.refund(&buyer, &request).await.unwrap(), partly, "a repetition");
        assert_eq!(reason(&world.refund(&buyer, &world.everything(&paid)).await), Some(Reason::RefundTooLarge));
        // Staff may still be kind.
        let kind = world.refund(&staff(), &world.by_amount(&paid, 331)).await.unwrap();
        assert_eq!((kind.state(), kind.fee_kept), (PaymentState::Refunded, Some(euro(0))));
        world.check().await;
    }

    async fn the_policy_is_that_of_the_purchase(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(RefundPolicy { fee_basis_points: 0, fee_minor: 0, ..POLICY }));
        let free = world.paid(&buyer, &[1000]).await;
        world.policy(None);
        let never = world.paid(&buyer, &[1000]).await;
        world.policy(Some(POLICY));
        assert_eq!(world.refund(&buyer, &world.everything(&free)).await.unwrap().state(), PaymentState::Refunded);
        let refused = world.refund(&buyer, &world.everything(&never)).await;
        assert_eq!(reason(&refused), Some(Reason::RefundNotAllowed));
        world.refund(&admin(), &world.everything(&never)).await.unwrap();
        world.check().await;
    }

    async fn the_time_to_return_tickets_ends(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(POLICY));
        let paid = world.paid(&buyer, &[1000, 500]).await;
        world.clock.advance(SignedDuration::from_mins(120) - SignedDuration::from_micros(1));
        world.refund(&buyer, &world.by_tickets(&paid, &[0])).await.unwrap();
        world.clock.advance(SignedDuration::from_micros(1));
        let late = world.refund(&buyer, &world.by_tickets(&paid, &[1])).await;
        assert_eq!(reason(&late), Some(Reason::RefundNotAllowed));
        let info = late.unwrap_err().get_details_error_info().unwrap();
        assert_eq!(info.metadata["until"], "2026-11-22T20:00:00Z");
        let whole = world.refund(&staff(), &world.by_tickets(&paid, &[1])).await.unwrap();
        assert_eq!(whole.refunded, Some(euro(850 + 500)));
        world.check().await;
    }

    async fn a_buyer_returns_tickets_and_nothing_else(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(POLICY));
        let paid = world.paid(&buyer, &[1000, 500]).await;
        assert_eq!(reason(&world.refund(&buyer, &world.by_amount(&paid, 1)).await), Some(Reason::PermissionDenied));
        world.check_in(&paid.ticket_ids[0]);
        for _ in 0..2 {
            let refused = world.refund(&buyer, &world.everything(&paid)).await;
            assert_eq!(reason(&refused), Some(Reason::TicketAlreadyCheckedIn));
        }
        assert!(world.freed(&paid).is_empty());
        // What staff refunded by amount is not paid a second time.
        world.refund(&staff(), &world.by_amount(&paid, 1300)).await.unwrap();
        let rest = world.refund(&buyer, &world.by_tickets(&paid, &[1])).await.unwrap();
        // Nothing is left of which a fee could be kept.
        assert_eq!((rest.state(), rest.refunded, rest.fee_kept), (PaymentState::Refunded, Some(euro(1500)), Some(euro(0))));
        let kept = sql("SELECT 1 AS kept FROM ledger WHERE credit = 'return_fees'").fetch_all(&world.db).await;
        assert!(kept.unwrap().is_empty());
        world.check().await;
    }

    async fn what_the_provider_cannot_move_is_rounded_in_favour_of_the_buyer(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.faults.unit.store(10, Ordering::SeqCst);
        world.policy(Some(RefundPolicy { fee_minor: 0, ..POLICY }));
        // 1125 of each, of which the bank moves no 5.
        let paid = world.paid(&buyer, &[1250, 1250]).await;
        let partly = world.refund(&buyer, &world.by_tickets(&paid, &[0])).await.unwrap();
        assert_eq!(partly.refunded, Some(euro(1130)));
        let odd = world.refund(&staff(), &world.by_amount(&paid, 125)).await.unwrap_err();
        let fields = odd.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields[0].field, "amount.amount_minor");
        assert!(fields[0].description.starts_with("use a multiple of 10"), "{}", fields[0].description);
        world.refund(&staff(), &world.by_amount(&paid, 120)).await.unwrap();
        world.check().await;
        let unpayable = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[1255]), "tok_approve")).await;
        assert_eq!(reason(&unpayable), Some(Reason::FailedPrecondition));
        // Two seats that cost a whole number of tens together.
        let paid = world.paid(&buyer, &[1255, 1255]).await;
        let partly = world.refund(&staff(), &world.by_tickets(&paid, &[0])).await.unwrap();
        assert_eq!(partly.refunded, Some(euro(1260)));
        let fully = world.refund(&staff(), &world.by_tickets(&paid, &[1])).await.unwrap();
        assert_eq!((fully.state(), fully.refunded), (PaymentState::Refunded, Some(euro(2510))));
        let old = world.paid(&buyer, &[1255, 1255]).await;
        let new = world.exchange(&buyer, &world.swap(&buyer, &old, &[0], &[1000], 0)).await.unwrap();
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(260)));
        let returned = world.refund(&staff(), &world.everything(&new)).await.unwrap();
        assert_eq!(returned.state(), PaymentState::Refunded);
        world.settle().await;
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(1260)));
        world.check().await;
    }
}
