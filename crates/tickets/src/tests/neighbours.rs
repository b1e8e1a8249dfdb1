//! Stand-ins for `movies` and `theaters`: one showtime, one theater, and a count of the questions.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use moviebooking_auth::{ServiceCredentials, ServiceSecret};
use moviebooking_domain::{
    clock::ManualClock,
    id::{ShowtimeId, TheaterId},
};
use moviebooking_fields::time;
use moviebooking_proto::{
    Problem, Reason,
    google::api::HttpBody,
    movies::v1::{
        CancelShowtimeRequest, CreateMovieRequest, CreateShowtimeRequest, DeleteMovieRequest,
        GetMovieRequest, GetShowtimeRequest, ListMoviesRequest, ListMoviesResponse, ListShowtimesRequest,
        ListShowtimesResponse, Movie, Showtime, UpdateMovieRequest, UpdateShowtimeRequest,
        movies_service_server::{MoviesService, MoviesServiceServer},
    },
    theaters::v1::{
        Address, CreateHallRequest, CreateTheaterRequest, DeleteHallRequest, DeleteTheaterRequest,
        ExportLayoutRequest, GetHallRequest, GetLayoutRequest, GetTheaterRequest, Hall, ImportLayoutRequest,
        Layout, ListHallsRequest, ListHallsResponse, ListTheatersRequest, ListTheatersResponse,
        PublishLayoutRequest, RefundPolicy, Theater, UpdateHallRequest, UpdateTheaterRequest,
        theaters_service_server::{TheatersService, TheatersServiceServer},
    },
};
use moviebooking_serve::Link;
use moviebooking_store::Db;
use tonic::{Request, Response, Status, async_trait, service::Routes};

use crate::Service;

/// What the stand-ins answer. Clones share it.
#[derive(Clone)]
pub(super) struct Neighbours(Arc<Answers>);

struct Answers {
    showtime: Mutex<Showtime>,
    theater: Theater,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Neighbours {
    pub(super) fn showing(theater: TheaterId, showtime: ShowtimeId) -> Self {
        let showtime = Showtime {
            id: showtime.to_string(),
            theater_id: theater.to_string(),
            start_time: Some(time::to_wire("2026-11-22T19:15:00Z".parse().unwrap())),
            time_zone: "Europe/Berlin".to_owned(),
            movie_title: "Der Himmel über Berlin".to_owned(),
            hall_name: "Saal 1".to_owned(),
            ..Showtime::default()
        };
        let address = Address {
            lines: vec!["Unter den Linden 1".to_owned()],
            postal_code: "10117".to_owned(),
            city: "Berlin".to_owned(),
            country_code: "DE".to_owned(),
            ..Address::default()
        };
        let theater = Theater {
            id: theater.to_string(),
            display_name: "Kino am Park".to_owned(),
            address: Some(address),
            time_zone: "Europe/Berlin".to_owned(),
            refund_policy: Some(RefundPolicy {
                until_minutes_before_start: 120,
                fee_basis_points: 1_000,
                fee_minor: 50,
            }),
            ..Theater::default()
        };
        let answers = Answers {
            showtime: Mutex::new(showtime),
            theater,
            down: AtomicBool::default(),
            asked: AtomicUsize::default(),
        };
        Self(Arc::new(answers))
    }

    /// Changes the showtime.
    pub(super) fn change(&self, change: impl FnOnce(&mut Showtime)) {
        change(&mut self.0.showtime.lock().unwrap());
    }

    /// From now on nobody answers, or answers again.
    pub(super) fn down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// How often a showtime was asked for.
    pub(super) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// A tickets service that has these neighbours.
    pub(super) fn service(&self, db: Db, clock: Arc<ManualClock>) -> Service {
        let credentials = ServiceCredentials::new(crate::NAME, ServiceSecret::random(), clock.clone());
        let movies = Link::local(Routes::new(MoviesServiceServer::new(self.clone())));
        let theaters = Link::local(Routes::new(TheatersServiceServer::new(self.clone())));
        Service::new(db, clock, credentials.link("movies", movies), credentials.link("theaters", theaters))
    }

    fn up(&self) -> Result<(), Status> {
        if self.0.down.load(Ordering::SeqCst) { Err(Problem::unavailable("down").into()) } else { Ok(()) }
    }
}

fn never<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("tickets never calls this"))
}

#[async_trait]
impl MoviesService for Neighbours {
    async fn get_showtime(&self, request: Request<GetShowtimeRequest>) -> Result<Response<Showtime>, Status> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let showtime = self.0.showtime.lock().unwrap().clone();
        if request.get_ref().id != showtime.id {
            return Err(Problem::new(Reason::ShowtimeNotFound, "There is no such showtime.").into());
        }
        Ok(Response::new(showtime))
    }
    async fn list_movies(
        &self,
        _: Request<ListMoviesRequest>,
    ) -> Result<Response<ListMoviesResponse>, Status> {
        never()
    }
    async fn get_movie(&self, _: Request<GetMovieRequest>) -> Result<Response<Movie>, Status> {
        never()
    }
    async fn create_movie(&self, _: Request<CreateMovieRequest>) -> Result<Response<Movie>, Status> {
        never()
    }
    async fn update_movie(&self, _: Request<UpdateMovieRequest>) -> Result<Response<Movie>, Status> {
        never()
    }
    async fn delete_movie(&self, _: Request<DeleteMovieRequest>) -> Result<Response<()>, Status> {
        never()
    }
    async fn list_showtimes(
        &self,
        _: Request<ListShowtimesRequest>,
    ) -> Result<Response<ListShowtimesResponse>, Status> {
        never()
    }
    async fn create_showtime(&self, _: Request<CreateShowtimeRequest>) -> Result<Response<Showtime>, Status> {
        never()
    }
    async fn update_showtime(&self, _: Request<UpdateShowtimeRequest>) -> Result<Response<Showtime>, Status> {
        never()
    }
    async fn cancel_showtime(&self, _: Request<CancelShowtimeRequest>) -> Result<Response<Showtime>, Status> {
        never()
    }
}

#[async_trait]
impl TheatersService for Neighbours {
    async fn get_theater(&self, request: Request<GetTheaterRequest>) -> Result<Response<Theater>, Status> {
        self.up()?;
        if request.get_ref().id != self.0.theater.id {
            return Err(Problem::new(Reason::TheaterNotFound, "There is no such theater.").into());
        }
        Ok(Response::new(self.0.theater.clone()))
    }
    async fn list_theaters(
        &self,
        _: Request<ListTheatersRequest>,
    ) -> Result<Response<ListTheatersResponse>, Status> {
        never()
    }
    async fn create_theater(&self, _: Request<CreateTheaterRequest>) -> Result<Response<Theater>, Status> {
        never()
    }
    async fn update_theater(&self, _: Request<UpdateTheaterRequest>) -> Result<Response<Theater>, Status> {
        never()
    }
    async fn delete_theater(&self, _: Request<DeleteTheaterRequest>) -> Result<Response<()>, Status> {
        never()
    }
    async fn list_halls(&self, _: Request<ListHallsRequest>) -> Result<Response<ListHallsResponse>, Status> {
        never()
    }
    async fn get_hall(&self, _: Request<GetHallRequest>) -> Result<Response<Hall>, Status> {
        never()
    }
    async fn create_hall(&self, _: Request<CreateHallRequest>) -> Result<Response<Hall>, Status> {
        never()
    }
    async fn update_hall(&self, _: Request<UpdateHallRequest>) -> Result<Response<Hall>, Status> {
        never()
    }
    async fn delete_hall(&self, _: Request<DeleteHallRequest>) -> Result<Response<()>, Status> {
        never()
    }
    async fn publish_layout(&self, _: Request<PublishLayoutRequest>) -> Result<Response<Layout>, Status> {
        never()
    }
    async fn import_layout(&self, _: Request<ImportLayoutRequest>) -> Result<Response<Layout>, Status> {
        never()
    }
    async fn get_layout(&self, _: Request<GetLayoutRequest>) -> Result<Response<Layout>, Status> {
        never()
    }
    async fn export_layout(&self, _: Request<ExportLayoutRequest>) -> Result<Response<HttpBody>, Status> {
        never()
    }
}
