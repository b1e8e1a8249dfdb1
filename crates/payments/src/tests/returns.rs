//! Tickets that their buyer returns, by the theater's refund policy.

use jiff::SignedDuration;
use moviebooking_proto::{Reason, payments::v1::PaymentState, theaters::v1::RefundPolicy};
use moviebooking_store::both_engines;
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
        assert_eq!((rest.state(), rest.refunded), (PaymentState::Refunded, Some(euro(1500))));
        world.check().await;
    }
}
