//! What payments asks of reservations and tickets. Each call is idempotent at its receiver by the payment's id.

use std::time::Duration;

use jiff::Timestamp;
use moviebooking_auth::ServiceLink;
use moviebooking_domain::id::{PaymentId, ReservationId, TicketId};
use moviebooking_proto::{
    payments::v1::Offer,
    reservations::v1::{
        ConfirmReservationRequest, FreeSeatsRequest, GetReservationRequest, KeepReservationRequest,
        OfferSeatsRequest, Reservation, reservations_internal_client::ReservationsInternalClient,
        reservations_service_client::ReservationsServiceClient,
    },
    tickets::v1::{
        IssueTicketsRequest, Ticket, VoidTicketsRequest, tickets_internal_client::TicketsInternalClient,
    },
};
use tonic::Request;

use crate::{payment::BoughtTicket, step::StepError};

/// Clients of the services that a payment involves.
#[derive(Clone)]
pub(crate) struct Neighbours {
    reservations: ReservationsServiceClient<ServiceLink>,
    sales: ReservationsInternalClient<ServiceLink>,
    tickets: TicketsInternalClient<ServiceLink>,
    /// How long one answer may take.
    patience: Duration,
}

impl Neighbours {
    pub(crate) fn new(reservations: ServiceLink, tickets: ServiceLink, patience: Duration) -> Self {
        Self {
            reservations: ReservationsServiceClient::new(reservations.clone()),
            sales: ReservationsInternalClient::new(reservations),
            tickets: TicketsInternalClient::new(tickets),
            patience,
        }
    }

    /// A reservation as it is now.
    pub(crate) async fn reservation(&self, id: ReservationId) -> Result<Reservation, StepError> {
        let request = self.request(GetReservationRequest { id: id.to_string() });
        Ok(self.reservations.clone().get_reservation(request).await?.into_inner())
    }

    /// Turns a hold into a sale, also one whose time is over if its seats are free.
    pub(crate) async fn confirm(
        &self,
        reservation: ReservationId,
        payment: PaymentId,
    ) -> Result<(), StepError> {
        let request = self.request(ConfirmReservationRequest {
            reservation_id: reservation.to_string(),
            payment_id: payment.to_string(),
        });
        self.sales.clone().confirm_reservation(request).await?;
        Ok(())
    }

    /// Has other seats held for the buyer of a reservation whose seats are gone, the nearest first.
    pub(crate) async fn offer(
        &self,
        reservation: ReservationId,
        payment: PaymentId,
    ) -> Result<Vec<Offer>, StepError> {
        let request = self.request(OfferSeatsRequest {
            reservation_id: reservation.to_string(),
            payment_id: payment.to_string(),
        });
        let offered = self.sales.clone().offer_seats(request).await?.into_inner().offers.into_iter();
        let offers = offered.map(|hold| Offer {
            reservation_id: hold.id,
            showtime_id: hold.showtime_id,
            seats: hold.seats.into_iter().map(|seat| seat.label).collect(),
            total: hold.total,
            expire_time: hold.expire_time,
        });
        Ok(offers.collect())
    }

    /// Keeps a hold for a payment that its buyer has to confirm, and answers until when.
    pub(crate) async fn keep(
        &self,
        reservation: ReservationId,
        payment: PaymentId,
    ) -> Result<Timestamp, StepError> {
        let request = self.request(KeepReservationRequest {
            reservation_id: reservation.to_string(),
            payment_id: payment.to_string(),
        });
        let kept = self.sales.clone().keep_reservation(request).await?.into_inner();
        let end = kept.expire_time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
        end.ok_or_else(|| StepError::Later("reservations did not say how long the seats are held".to_owned()))
    }

    /// Frees the named seats that were sold to a payment, or all of them where none is named.
    pub(crate) async fn free(
        &self,
        reservation: ReservationId,
        payment: PaymentId,
        seats: Vec<String>,
    ) -> Result<(), StepError> {
        let request = self.request(FreeSeatsRequest {
            reservation_id: reservation.to_string(),
            payment_id: payment.to_string(),
            seats,
        });
        self.sales.clone().free_seats(request).await?;
        Ok(())
    }

    /// Has the tickets issued, in the order of the seats.
    pub(crate) async fn issue(&self, order: &IssueTicketsRequest) -> Result<Vec<BoughtTicket>, StepError> {
        let request = self.request(order.clone());
        let issued = self.tickets.clone().issue_tickets(request).await?.into_inner().tickets;
        let bought = order.seats.iter().map(|seat| {
            let ticket = issued.iter().find(|ticket| ticket.seat == seat.label)?;
            let price = seat.price.as_ref()?.amount_minor;
            Some(BoughtTicket { id: ticket_id(ticket)?, seat: seat.label.clone(), price })
        });
        bought
            .collect::<Option<_>>()
            .ok_or_else(|| StepError::Later("tickets did not answer with a ticket for each seat".to_owned()))
    }

    /// Voids the named tickets of a payment: all of them or none.
    pub(crate) async fn void(
        &self,
        payment: PaymentId,
        tickets: &[BoughtTicket],
        reason: &str,
    ) -> Result<(), StepError> {
        let request = self.request(VoidTicketsRequest {
            payment_id: payment.to_string(),
            ticket_ids: tickets.iter().map(|ticket| ticket.id.to_string()).collect(),
            reason: reason.to_owned(),
            leave_checked_in: false,
        });
        self.tickets.clone().void_tickets(request).await?;
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.patience);
        request
    }
}

fn ticket_id(ticket: &Ticket) -> Option<TicketId> {
    uuid::Uuid::try_parse(&ticket.id).ok().map(TicketId::from)
}
