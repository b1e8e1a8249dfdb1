//! Requests to use cases and back.

use futures::{StreamExt as _, stream::BoxStream};
use moviebooking_auth::Caller;
use moviebooking_domain::{id::ReservationId, seating::MOST_PER_BUYER};
use moviebooking_fields::{self as fields, Page};
use moviebooking_proto::{
    Problem, Reason,
    reservations::v1::{self as wire, reservations_service_server::ReservationsService},
};
use moviebooking_store::idempotency;
use tonic::{Request, Response, Status};

use crate::{Service, choose::Wanted, error::Error, hold::Ask, read::ListAsk};

mod internal;

#[tonic::async_trait]
impl ReservationsService for Service {
    type WatchSeatsStream = BoxStream<'static, Result<wire::SeatsEvent, Status>>;

    async fn get_seat_map(
        &self,
        request: Request<wire::GetSeatMapRequest>,
    ) -> Result<Response<wire::SeatMap>, Status> {
        let caller = Caller::of(&request);
        let showtime = fields::id("showtime_id", &request.get_ref().showtime_id)?;
        Ok(Response::new(self.seat_map(&caller, showtime).await?))
    }

    async fn watch_seats(
        &self,
        request: Request<wire::WatchSeatsRequest>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let showtime = fields::id("showtime_id", &message.showtime_id)?;
        if message.after_sequence < 0 {
            return Err(Problem::invalid(
                "after_sequence",
                "use the sequence of an event, or 0 to start anew",
            )
            .into());
        }
        let events = self.watch(&caller, showtime, message.after_sequence).await?;
        Ok(Response::new(events.map(Ok).boxed()))
    }

    async fn create_reservation(
        &self,
        request: Request<wire::CreateReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        #[cfg(feature = "sabotage")]
        let message = if moviebooking_sabotage::Fault::KeyIgnored.is_on() {
            let request_id = uuid::Uuid::new_v4().to_string();
            wire::CreateReservationRequest { request_id, ..message }
        } else {
            message
        };
        let user = caller.user()?.id;
        let showtime = fields::id("showtime_id", &message.showtime_id)?;
        let wanted = wanted(&message)?;
        let key = idempotency::Request::required(
            &caller.key_scope(),
            &message.request_id,
            "reservations.CreateReservation",
            &message,
        )?;
        Ok(Response::new(self.hold(Ask { user, showtime, wanted }, &key).await?))
    }

    async fn list_reservations(
        &self,
        request: Request<wire::ListReservationsRequest>,
    ) -> Result<Response<wire::ListReservationsResponse>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let filters = [message.showtime_id.as_str(), message.user_id.as_str()];
        let page = Page::parse(message.page_size, &message.page_token, "reservations", &filters)?;
        let ask = ListAsk {
            user: fields::optional_id("user_id", &message.user_id)?,
            showtime: fields::optional_id("showtime_id", &message.showtime_id)?,
            before: page.after.as_deref().map(last_shown).transpose()?,
        };
        let (reservations, next_page_token) = self.list(&caller, ask, &page).await?;
        Ok(Response::new(wire::ListReservationsResponse { reservations, next_page_token }))
    }

    async fn get_reservation(
        &self,
        request: Request<wire::GetReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = Caller::of(&request);
        let id = fields::id("id", &request.get_ref().id)?;
        Ok(Response::new(self.get(&caller, id).await?))
    }

    async fn release_reservation(
        &self,
        request: Request<wire::ReleaseReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let id = fields::id("id", &message.id)?;
        let key = idempotency::Request::optional(
            &caller.key_scope(),
            &message.request_id,
            "reservations.ReleaseReservation",
            &message,
        )?;
        Ok(Response::new(self.release(&caller, id, &key).await?))
    }

    async fn extend_reservation(
        &self,
        request: Request<wire::ExtendReservationRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let id = fields::id("id", &message.id)?;
        let key = idempotency::Request::required(
            &caller.key_scope(),
            &message.request_id,
            "reservations.ExtendReservation",
            &message,
        )?;
        Ok(Response::new(self.extend(&caller, id, &key).await?))
    }
}

/// The seats that a request asks for. All that is wrong with them is said at once.
fn wanted(message: &wire::CreateReservationRequest) -> Result<Wanted, Problem> {
    let Some(best) = &message.best_available else {
        if message.seats.is_empty() {
            return Err(Problem::invalid("seats", "name the seats, or ask for the best with best_available"));
        }
        fields::at_most("seats", &message.seats, MOST_PER_BUYER)?;
        let repeated =
            message.seats.iter().enumerate().filter(|(i, label)| message.seats[..*i].contains(label));
        let violations =
            repeated.map(|(i, _)| (format!("seats[{i}]"), "name each seat once".to_owned())).collect();
        return match Problem::invalid_fields(violations) {
            Some(problem) => Err(problem),
            None => Ok(Wanted::Named(message.seats.clone())),
        };
    };
    if !message.seats.is_empty() {
        return Err(Problem::invalid("best_available", "leave it out when seats are named"));
    }
    let most = i32::try_from(MOST_PER_BUYER).unwrap_or(i32::MAX);
    let count = fields::number("best_available.count", best.count, 1, most)?;
    Ok(Wanted::Best {
        count: usize::try_from(count).unwrap_or_default(),
        category: Some(best.category.clone()).filter(|category| !category.is_empty()),
        together: best.together,
    })
}

/// The last reservation of the page before.
fn last_shown(key: &[String]) -> Result<ReservationId, Error> {
    let refused = || Problem::new(Reason::InvalidPageToken, "page_token: use next_page_token of this list");
    key.first().and_then(|id| uuid::Uuid::try_parse(id).ok()).map(Into::into).ok_or_else(|| refused().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(seats: &[&str], best_available: Option<wire::BestAvailable>) -> String {
        let seats = seats.iter().map(ToString::to_string).collect();
        let message = wire::CreateReservationRequest { seats, best_available, ..Default::default() };
        wanted(&message).unwrap_err().message().to_owned()
    }

    #[test]
    fn seats_are_either_named_or_asked_for() {
        let best = |count| Some(wire::BestAvailable { count, ..Default::default() });
        assert!(refused(&[], None).starts_with("seats: name the seats"));
        assert!(refused(&["A1"], best(1)).starts_with("best_available: leave it out"));
        assert!(
            refused(&["A1", "A2", "A1", "A2"], None)
                .starts_with("seats[2]: name each seat once (and 1 more)")
        );
        assert!(refused(&["A"; 11], None).starts_with("seats: give at most 10"));
        for count in [0, -1, 11, i32::MIN, i32::MAX] {
            assert!(refused(&[], best(count)).starts_with("best_available.count: use a number from 1 to 10"));
        }
    }
}
