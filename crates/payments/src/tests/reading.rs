//! Who sees which payments.

use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    payments::v1::{
        GetPaymentRequest, ListPaymentsRequest, ListPaymentsResponse,
        payments_service_server::PaymentsService as _,
    },
    problem::reason_of,
};
use moviebooking_store::both_engines;
use tonic::Status;

use super::world::{World, admin, customer, request, staff, staff_elsewhere};

impl World {
    async fn list(
        &self,
        caller: &Caller,
        message: &ListPaymentsRequest,
    ) -> Result<ListPaymentsResponse, Status> {
        self.service.list_payments(request(caller, message)).await.map(tonic::Response::into_inner)
    }
}

fn ids(page: &ListPaymentsResponse) -> Vec<&str> {
    page.payments.iter().map(|payment| payment.id.as_str()).collect()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_payment_is_seen_by_its_buyer_its_theater_and_admins(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let paid = world.paid(&buyer, &[1000]).await;
        let message = GetPaymentRequest { id: paid.id.clone() };
        for caller in [buyer, staff(), admin(), Caller::Service("tickets".into())] {
            let seen = world.service.get_payment(request(&caller, &message)).await.unwrap().into_inner();
            assert_eq!((seen.id, seen.history.len()), (paid.id.clone(), 5));
        }
        for caller in [customer(), staff_elsewhere(), Caller::Anonymous] {
            let status = world.service.get_payment(request(&caller, &message)).await.unwrap_err();
            assert_eq!(reason_of(&status), Some(Reason::PaymentNotFound));
        }
        let unknown = GetPaymentRequest { id: uuid::Uuid::new_v4().to_string() };
        let status = world.service.get_payment(request(&admin(), &unknown)).await.unwrap_err();
        assert_eq!(reason_of(&status), Some(Reason::PaymentNotFound));
    }

    async fn payments_are_listed_newest_first_page_by_page(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let mut own = Vec::new();
        for price in 1..=5 {
            world.clock.advance(jiff::SignedDuration::from_millis(1));
            own.insert(0, world.paid(&buyer, &[price]).await.id);
            world.paid(&customer(), &[price]).await;
        }
        let mut message = ListPaymentsRequest { page_size: 2, ..ListPaymentsRequest::default() };
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = world.list(&buyer, &message).await.unwrap();
            assert!(page.payments.iter().all(|payment| payment.ticket_ids.len() == 1 && payment.history.is_empty()));
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            if page.next_page_token.is_empty() {
                break;
            }
            message.page_token = page.next_page_token;
        }
        assert_eq!(seen, own);
        // The token is this caller's.
        let status = world.list(&admin(), &message).await.unwrap_err();
        assert_eq!(reason_of(&status), Some(Reason::InvalidPageToken));
    }

    async fn admins_list_all_and_others_their_own(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let (first, _) = (world.paid(&buyer, &[1]).await, world.paid(&customer(), &[1]).await);
        let all = ListPaymentsRequest::default();
        assert_eq!(world.list(&admin(), &all).await.unwrap().payments.len(), 2);
        assert_eq!(ids(&world.list(&buyer, &all).await.unwrap()), [first.id.as_str()]);
        assert!(world.list(&staff(), &all).await.unwrap().payments.is_empty());
        let of_buyer = ListPaymentsRequest { user_id: first.user_id.clone(), ..all.clone() };
        assert_eq!(ids(&world.list(&admin(), &of_buyer).await.unwrap()), [first.id.as_str()]);
        assert_eq!(ids(&world.list(&buyer, &of_buyer).await.unwrap()), [first.id.as_str()]);
        let status = world.list(&customer(), &of_buyer).await.unwrap_err();
        assert_eq!(reason_of(&status), Some(Reason::PermissionDenied));
        let of_reservation = ListPaymentsRequest { reservation_id: first.reservation_id.clone(), ..all.clone() };
        assert_eq!(ids(&world.list(&admin(), &of_reservation).await.unwrap()), [first.id.as_str()]);
        assert!(world.list(&customer(), &of_reservation).await.unwrap().payments.is_empty());
        for malformed in [
            ListPaymentsRequest { page_size: -1, ..all.clone() },
            ListPaymentsRequest { user_id: "me".to_owned(), ..all.clone() },
            ListPaymentsRequest { reservation_id: "\0".to_owned(), ..all },
        ] {
            let status = world.list(&admin(), &malformed).await.unwrap_err();
            assert_eq!(reason_of(&status), Some(Reason::InvalidArgument));
        }
    }
}
