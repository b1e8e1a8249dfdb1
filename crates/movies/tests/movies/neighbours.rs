//! Theaters and reservations as far as movies asks them: theaters and halls that the test sets up, and a list of the
//! showtimes that were closed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use moviebooking_proto::{
    Problem, Reason, google,
    reservations::v1::{
        CloseShowtimeRequest, ConfirmReservationRequest, FreeSeatsRequest, KeepReservationRequest,
        OfferSeatsRequest, OfferSeatsResponse, Reservation,
        reservations_internal_server::ReservationsInternal,
    },
    theaters::v1::{self as theaters, Hall, Theater, theaters_service_server::TheatersService},
};
use tonic::{Request, Response, Status};

/// What the neighbours answer. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Neighbours {
    pub(crate) theaters: Arc<Mutex<HashMap<String, Theater>>>,
    pub(crate) halls: Arc<Mutex<HashMap<String, Hall>>>,
    closed: Arc<Mutex<Vec<String>>>,
}

impl Neighbours {
    /// The ids of the showtimes that reservations were told to close, in order.
    pub(crate) fn closed(&self) -> Vec<String> {
        self.closed.lock().unwrap().clone()
    }
}

/// The RPCs that are answered, and those that movies never calls.
macro_rules! answers {
    ($service:ident { $($answered:item)+ } $($other:ident($request:ty) -> $response:ty;)+) => {
        #[tonic::async_trait]
        impl $service for Neighbours {
            $($answered)+
            $(async fn $other(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($other)))
            })+
        }
    };
}

answers! {
    TheatersService {
    async fn get_theater(&self, request: Request<theaters::GetTheaterRequest>) -> Result<Response<Theater>, Status> {
        match self.theaters.lock().unwrap().get(&request.get_ref().id) {
            Some(theater) => Ok(Response::new(theater.clone())),
            None => Err(Problem::new(Reason::TheaterNotFound, "none").into()),
        }
    }
    async fn get_hall(&self, request: Request<theaters::GetHallRequest>) -> Result<Response<Hall>, Status> {
        match self.halls.lock().unwrap().get(&request.get_ref().id) {
            Some(hall) => Ok(Response::new(hall.clone())),
            None => Err(Problem::new(Reason::HallNotFound, "none").into()),
        }
    }
    }
    list_theaters(theaters::ListTheatersRequest) -> theaters::ListTheatersResponse;
    create_theater(theaters::CreateTheaterRequest) -> Theater;
    update_theater(theaters::UpdateTheaterRequest) -> Theater;
    delete_theater(theaters::DeleteTheaterRequest) -> ();
    list_halls(theaters::ListHallsRequest) -> theaters::ListHallsResponse;
    create_hall(theaters::CreateHallRequest) -> Hall;
    update_hall(theaters::UpdateHallRequest) -> Hall;
    delete_hall(theaters::DeleteHallRequest) -> ();
    publish_layout(theaters::PublishLayoutRequest) -> theaters::Layout;
    import_layout(theaters::ImportLayoutRequest) -> theaters::Layout;
    get_layout(theaters::GetLayoutRequest) -> theaters::Layout;
    export_layout(theaters::ExportLayoutRequest) -> google::api::HttpBody;
}

answers! {
    ReservationsInternal {
    async fn close_showtime(&self, request: Request<CloseShowtimeRequest>) -> Result<Response<()>, Status> {
        self.closed.lock().unwrap().push(request.into_inner().showtime_id);
        Ok(Response::new(()))
    }
    }
    confirm_reservation(ConfirmReservationRequest) -> Reservation;
    free_seats(FreeSeatsRequest) -> Reservation;
    offer_seats(OfferSeatsRequest) -> OfferSeatsResponse;
    keep_reservation(KeepReservationRequest) -> Reservation;
}
