//! What other services ask.

use moviebooking_domain::id::PaymentId;
use moviebooking_fields as fields;
use moviebooking_proto::reservations::v1::{
    self as wire, reservations_internal_server::ReservationsInternal,
};
use tonic::{Request, Response, Status};

use crate::Service;

/// More than a reservation can have.
const MOST_SEATS: usize = 100;

#[tonic::async_trait]
impl ReservationsInternal for Service {
    async fn confirm_reservation(
        &self,
        request: Request<wire::ConfirmReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let message = request.into_inner();
        let id = fields::id("reservation_id", &message.reservation_id)?;
        let payment = fields::id("payment_id", &message.payment_id)?;
        Ok(Response::new(self.confirm(id, payment).await?))
    }

    async fn offer_seats(
        &self,
        request: Request<wire::OfferSeatsRequest>,
    ) -> Result<Response<wire::OfferSeatsResponse>, Status> {
        let message = request.into_inner();
        let id = fields::id("reservation_id", &message.reservation_id)?;
        let payment = fields::id("payment_id", &message.payment_id)?;
        let offers = self.offer(id, payment).await?;
        Ok(Response::new(wire::OfferSeatsResponse { offers }))
    }

    async fn keep_reservation(
        &self,
        request: Request<wire::KeepReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let message = request.into_inner();
        let id = fields::id("reservation_id", &message.reservation_id)?;
        let _payment: PaymentId = fields::id("payment_id", &message.payment_id)?;
        Ok(Response::new(self.keep(id).await?))
    }

    async fn free_seats(
        &self,
        request: Request<wire::FreeSeatsRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let message = request.into_inner();
        let id = fields::id("reservation_id", &message.reservation_id)?;
        let payment = fields::id("payment_id", &message.payment_id)?;
        fields::at_most("seats", &message.seats, MOST_SEATS)?;
        Ok(Response::new(self.free(id, payment, &message.seats).await?))
    }

    async fn close_showtime(
        &self,
        request: Request<wire::CloseShowtimeRequest>,
    ) -> Result<Response<()>, Status> {
        let showtime = fields::id("showtime_id", &request.get_ref().showtime_id)?;
        self.close(showtime).await?;
        Ok(Response::new(()))
    }
}
