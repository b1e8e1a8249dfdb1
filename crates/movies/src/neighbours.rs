//! What movies asks of other services.

use std::time::Duration;

use moviebooking_auth::ServiceLink;
use moviebooking_domain::{
    id::{HallId, ShowtimeId, TheaterId},
    money::Currency,
};
use moviebooking_fields as fields;
use moviebooking_proto::{
    Reason,
    payments::v1::{RefundShowtimeRequest, payments_internal_client::PaymentsInternalClient},
    problem,
    reservations::v1::{CloseShowtimeRequest, reservations_internal_client::ReservationsInternalClient},
    theaters::v1::{GetHallRequest, GetTheaterRequest, theaters_service_client::TheatersServiceClient},
};
use tonic::{Request, Status};

use crate::{Error, showtime::Place};

/// For one call; each takes milliseconds when all is well.
const DEADLINE: Duration = Duration::from_secs(3);

/// The services that this one calls.
#[derive(Clone)]
pub(crate) struct Neighbours {
    theaters: TheatersServiceClient<ServiceLink>,
    reservations: ReservationsInternalClient<ServiceLink>,
    payments: PaymentsInternalClient<ServiceLink>,
}

/// A hall as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Hall {
    pub(crate) place: Place,
    /// Of its newest layout; empty when it has none.
    pub(crate) categories: Vec<String>,
    /// Minutes.
    pub(crate) cleaning: i32,
    /// It, or its theater, is not used any more.
    pub(crate) closed: bool,
}

impl Neighbours {
    pub(crate) fn new(theaters: ServiceLink, reservations: ServiceLink, payments: ServiceLink) -> Self {
        Self {
            theaters: TheatersServiceClient::new(theaters),
            reservations: ReservationsInternalClient::new(reservations),
            payments: PaymentsInternalClient::new(payments),
        }
    }

    /// A hall with its theater.
    pub(crate) async fn hall(&self, id: HallId) -> Result<Hall, Error> {
        let mut theaters = self.theaters.clone();
        let hall = match theaters.get_hall(call(GetHallRequest { id: id.to_string() })).await {
            Ok(hall) => hall.into_inner(),
            Err(status) if problem::reason_of(&status) == Some(Reason::HallNotFound) => {
                return Err(Error::HallNotFound);
            }
            Err(status) => return Err(theaters_failed(status)),
        };
        let theater_id: TheaterId = fields::id("theater_id", &hall.theater_id).map_err(malformed)?;
        let request = call(GetTheaterRequest { id: hall.theater_id });
        let theater = theaters.get_theater(request).await.map_err(theaters_failed)?.into_inner();
        let currency: Currency = theater.currency_code.parse().map_err(malformed)?;
        Ok(Hall {
            place: Place {
                hall_id: id,
                hall_name: hall.display_name,
                theater_id,
                theater_name: theater.display_name,
                layout_version: hall.layout_version,
                currency,
                time_zone: theater.time_zone,
            },
            categories: hall.categories,
            cleaning: hall.cleaning_minutes,
            closed: hall.closed,
        })
    }

    /// Has reservations release the holds of a cancelled showtime and take no more, and then payments refund what was
    /// bought: in this order nothing is bought that is not refunded.
    pub(crate) async fn close_showtime(&self, id: ShowtimeId, theater: TheaterId) -> Result<(), Status> {
        let showtime_id = id.to_string();
        let request = call(CloseShowtimeRequest { showtime_id: showtime_id.clone() });
        self.reservations.clone().close_showtime(request).await?;
        let request = call(RefundShowtimeRequest { showtime_id, theater_id: theater.to_string() });
        self.payments.clone().refund_showtime(request).await.map(drop)
    }
}

fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn theaters_failed(status: Status) -> Error {
    Error::Neighbour { service: "theaters", status }
}

/// The answer is not what the theaters service promises.
pub(crate) fn malformed(error: impl std::fmt::Display) -> Error {
    theaters_failed(Status::internal(error.to_string()))
}
