//! Over gRPC, with one connection for all calls.

use std::error::Error;

use moviebooking_proto::{
    payments::v1::{ChargeRequest, payments_service_client::PaymentsServiceClient},
    reservations::v1::{
        BestAvailable, CreateReservationRequest, reservations_service_client::ReservationsServiceClient,
    },
};
use moviebooking_tests::{Load, key};
use tonic::{
    ConnectError, Request, Response, Status,
    transport::{Channel, Endpoint},
};

use super::{Buyer, Buyers, paced, told};

/// How often a call is made that was never sent.
const ATTEMPTS: usize = 3;

/// Somebody who holds a seat and pays.
pub(super) fn buys(load: &mut Load, buyers: Buyers) {
    let channel = channel(&buyers.base);
    load.client(move |number| {
        let (channel, buyer) = (channel.clone(), buyers.buyer(number));
        paced("over gRPC", async move {
            let hold = hold(buyer.showtime.clone());
            let held = answered(|| {
                let mut client = ReservationsServiceClient::new(channel.clone());
                let request = signed(&buyer, hold.clone());
                async move { client.create_reservation(request).await }
            });
            let held = held.await?;
            let charge = charge(held.id, held.total);
            let paid = answered(|| {
                let mut client = PaymentsServiceClient::new(channel.clone());
                let request = signed(&buyer, charge.clone());
                async move { client.charge(request).await }
            });
            let paid = paid.await?;
            if paid.ticket_ids.is_empty() { Err(format!("no ticket: {paid:?}")) } else { Ok(()) }
        })
    });
}

/// A connection to the gateway, and another one when that ends.
pub(super) fn channel(base: &str) -> Channel {
    Endpoint::from_shared(base.to_owned()).expect("an address").connect_lazy()
}

/// Asks for one seat.
pub(super) fn hold(showtime_id: String) -> CreateReservationRequest {
    CreateReservationRequest {
        showtime_id,
        best_available: Some(BestAvailable { count: 1, ..BestAvailable::default() }),
        request_id: key(),
        ..CreateReservationRequest::default()
    }
}

/// Pays for it.
pub(super) fn charge(
    reservation_id: String,
    amount: Option<moviebooking_proto::money::v1::Money>,
) -> ChargeRequest {
    ChargeRequest { reservation_id, amount, payment_token: "tok_approve".to_owned(), request_id: key() }
}

fn signed<T>(buyer: &Buyer, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}", buyer.token).parse().expect("a header value");
    request.metadata_mut().insert("authorization", token);
    request
}

/// The answer to a call, which is made again if it was never sent, as gRPC's own libraries do.
pub(super) async fn answered<T, F>(mut call: impl FnMut() -> F) -> Result<T, String>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(status) if was_not_sent(&status) => {}
            done => return done.map(Response::into_inner).map_err(|status| told(&status)),
        }
    }
    call().await.map(Response::into_inner).map_err(|status| told(&status))
}

/// Whether the connection was at its end before the call was sent; one that is refused is no such case.
fn was_not_sent(status: &Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(status);
    while let Some(current) = cause {
        if current.is::<ConnectError>() {
            return false;
        }
        if current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = current.source();
    }
    false
}
