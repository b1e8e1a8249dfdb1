//! Movies and theaters as far as reservations ask them: fixed showtimes in one hall.

use std::{collections::HashMap, sync::Arc};

use moviebooking_proto::{
    Problem, Reason, google,
    movies::v1::{self as movies, movies_service_server::MoviesService},
    theaters::v1::{self as theaters, theaters_service_server::TheatersService},
};
use tonic::{Request, Response, Status};

#[derive(Clone)]
pub(crate) struct Neighbours {
    pub(crate) showtimes: Arc<HashMap<String, movies::Showtime>>,
    pub(crate) layout: theaters::Layout,
}

/// RPCs that are answered, and those that reservations never call.
macro_rules! answers {
    ($service:ident: { $($answered:item)+ } $($other:ident($request:ty) -> $response:ty;)+) => {
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
    MoviesService: {
    async fn get_showtime(
        &self,
        request: Request<movies::GetShowtimeRequest>,
    ) -> Result<Response<movies::Showtime>, Status> {
        match self.showtimes.get(&request.get_ref().id) {
            Some(showtime) => Ok(Response::new(showtime.clone())),
            None => Err(Problem::new(Reason::ShowtimeNotFound, "none").into()),
        }
    }

    async fn list_showtimes(
        &self,
        request: Request<movies::ListShowtimesRequest>,
    ) -> Result<Response<movies::ListShowtimesResponse>, Status> {
        let asked = request.into_inner();
        let start = |showtime: &movies::Showtime| showtime.start_time.map(|time| time.seconds);
        let mut showtimes: Vec<movies::Showtime> = self
            .showtimes
            .values()
            .filter(|showtime| showtime.movie_id == asked.movie_id && showtime.theater_id == asked.theater_id)
            .filter(|showtime| showtime.state() == movies::ShowtimeState::Scheduled)
            .filter(|showtime| start(showtime) >= asked.start_time_from.map(|time| time.seconds))
            .cloned()
            .collect();
        showtimes.sort_by_key(start);
        Ok(Response::new(movies::ListShowtimesResponse { showtimes, next_page_token: String::new() }))
    }
    }
    list_movies(movies::ListMoviesRequest) -> movies::ListMoviesResponse;
    get_movie(movies::GetMovieRequest) -> movies::Movie;
    create_movie(movies::CreateMovieRequest) -> movies::Movie;
    update_movie(movies::UpdateMovieRequest) -> movies::Movie;
    delete_movie(movies::DeleteMovieRequest) -> ();
    create_showtime(movies::CreateShowtimeRequest) -> movies::Showtime;
    update_showtime(movies::UpdateShowtimeRequest) -> movies::Showtime;
    cancel_showtime(movies::CancelShowtimeRequest) -> movies::Showtime;
}

answers! {
    TheatersService: {
    async fn get_layout(
        &self,
        _: Request<theaters::GetLayoutRequest>,
    ) -> Result<Response<theaters::Layout>, Status> {
        Ok(Response::new(self.layout.clone()))
    }
    }
    list_theaters(theaters::ListTheatersRequest) -> theaters::ListTheatersResponse;
    get_theater(theaters::GetTheaterRequest) -> theaters::Theater;
    create_theater(theaters::CreateTheaterRequest) -> theaters::Theater;
    update_theater(theaters::UpdateTheaterRequest) -> theaters::Theater;
    delete_theater(theaters::DeleteTheaterRequest) -> ();
    list_halls(theaters::ListHallsRequest) -> theaters::ListHallsResponse;
    get_hall(theaters::GetHallRequest) -> theaters::Hall;
    create_hall(theaters::CreateHallRequest) -> theaters::Hall;
    update_hall(theaters::UpdateHallRequest) -> theaters::Hall;
    delete_hall(theaters::DeleteHallRequest) -> ();
    publish_layout(theaters::PublishLayoutRequest) -> theaters::Layout;
    import_layout(theaters::ImportLayoutRequest) -> theaters::Layout;
    export_layout(theaters::ExportLayoutRequest) -> google::api::HttpBody;
}
