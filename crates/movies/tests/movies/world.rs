//! A movies service with its neighbours in one process.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, ServiceCredentials, ServiceSecret, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock},
    id::{HallId, SessionId, TheaterId, UserId},
};
use moviebooking_movies::Service;
use moviebooking_proto::{
    Reason,
    money::v1::Money,
    movies::v1::{
        CategoryPrice, CreateMovieRequest, CreateShowtimeRequest, Movie, Showtime,
        movies_service_client::MoviesServiceClient,
    },
    payments::v1::payments_internal_server::PaymentsInternalServer,
    problem::reason_of,
    reservations::v1::reservations_internal_server::ReservationsInternalServer,
    theaters::v1::{Hall, Theater, theaters_service_server::TheatersServiceServer},
};
use moviebooking_serve::{Link, LinkSlot};
use moviebooking_store::Db;
use tonic::{Status, service::Routes};

use crate::neighbours::Neighbours;

/// When every test begins.
pub(crate) const START: &str = "2026-11-22T12:00:00Z";

pub(crate) type Movies = MoviesServiceClient<Link>;

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: Service,
    /// As an admin.
    pub(crate) movies: Movies,
    pub(crate) neighbours: Neighbours,
    reservations: Mutex<Option<LinkSlot>>,
    payments: Mutex<Option<LinkSlot>>,
    keys: AtomicU32,
}

impl World {
    /// With reservations and payments running.
    pub(crate) fn new(db: Db) -> Self {
        let world = Self::alone(db);
        world.start_reservations();
        world.start_payments();
        world
    }

    /// With reservations that cannot be reached until they are started.
    pub(crate) fn without_reservations(db: Db) -> Self {
        let world = Self::alone(db);
        world.start_payments();
        world
    }

    /// With payments that cannot be reached until they are started.
    pub(crate) fn without_payments(db: Db) -> Self {
        let world = Self::alone(db);
        world.start_reservations();
        world
    }

    fn alone(db: Db) -> Self {
        let clock = ManualClock::at(time(START));
        let neighbours = Neighbours::default();
        let (to_reservations, slot) = Link::slot();
        let (to_payments, payments) = Link::slot();
        let to_theaters = Link::local(Routes::new(TheatersServiceServer::new(neighbours.clone())));
        let credentials =
            ServiceCredentials::new(moviebooking_movies::NAME, ServiceSecret::random(), clock.clone());
        let service = Service::new(
            db.clone(),
            clock.clone(),
            credentials.link("theaters", to_theaters),
            credentials.link("reservations", to_reservations),
            credentials.link("payments", to_payments),
        );
        Self {
            movies: MoviesServiceClient::new(called_by(service.routes(), person(&clock, true, &[]))),
            reservations: Mutex::new(Some(slot)),
            payments: Mutex::new(Some(payments)),
            keys: AtomicU32::new(0),
            neighbours,
            db,
            clock,
            service,
        }
    }

    pub(crate) fn start_reservations(&self) {
        let routes = Routes::new(ReservationsInternalServer::new(self.neighbours.clone()));
        self.reservations.lock().unwrap().take().unwrap().fill(routes);
    }

    pub(crate) fn start_payments(&self) {
        let routes = Routes::new(PaymentsInternalServer::new(self.neighbours.clone()));
        self.payments.lock().unwrap().take().unwrap().fill(routes);
    }

    /// The service as staff of a theater call it.
    pub(crate) fn as_staff_of(&self, theater: &str) -> Movies {
        let theater = TheaterId::from(theater.parse::<uuid::Uuid>().unwrap());
        MoviesServiceClient::new(called_by(self.service.routes(), person(&self.clock, false, &[theater])))
    }

    /// An idempotency key that no request has had.
    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn in_hours(&self, hours: i64) -> Timestamp {
        self.clock.now() + SignedDuration::from_hours(hours)
    }

    pub(crate) fn theater(&self, time_zone: &str, currency_code: &str) -> Theater {
        let theater = Theater {
            id: TheaterId::new(self.clock.now()).to_string(),
            display_name: "Lichtspielhaus".to_owned(),
            time_zone: time_zone.to_owned(),
            currency_code: currency_code.to_owned(),
            ..Theater::default()
        };
        self.neighbours.theaters.lock().unwrap().insert(theater.id.clone(), theater.clone());
        theater
    }

    /// A hall with the categories standard and premium and 20 minutes of cleaning.
    pub(crate) fn hall(&self, theater: &Theater) -> Hall {
        let hall = Hall {
            id: HallId::new(self.clock.now()).to_string(),
            theater_id: theater.id.clone(),
            display_name: "Saal 1".to_owned(),
            cleaning_minutes: 20,
            layout_version: 1,
            capacity: 100,
            categories: vec!["standard".to_owned(), "premium".to_owned()],
            ..Hall::default()
        };
        self.put(&hall);
        hall
    }

    /// What the theaters service says of the hall from now on.
    pub(crate) fn put(&self, hall: &Hall) {
        self.neighbours.halls.lock().unwrap().insert(hall.id.clone(), hall.clone());
    }

    pub(crate) async fn add(&self, movie: Movie) -> Movie {
        let request = CreateMovieRequest { movie: Some(movie), request_id: self.key() };
        self.movies.clone().create_movie(request).await.unwrap().into_inner()
    }

    /// A movie of 100 minutes, so that with advertisements and cleaning it takes its hall for 135.
    pub(crate) async fn movie(&self, title: &str) -> Movie {
        self.add(Movie { title: title.to_owned(), running_time_minutes: Some(100), ..Movie::default() }).await
    }

    pub(crate) async fn try_schedule(&self, showtime: Showtime) -> Result<Showtime, Status> {
        let request = CreateShowtimeRequest { showtime: Some(showtime), request_id: self.key() };
        self.movies.clone().create_showtime(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn schedule(&self, showtime: Showtime) -> Showtime {
        self.try_schedule(showtime).await.unwrap()
    }
}

/// A showtime that can be scheduled in a theater that takes euros.
pub(crate) fn showtime(movie: &Movie, hall: &Hall, start: Timestamp) -> Showtime {
    let price = |category: &str, amount_minor| CategoryPrice {
        category: category.to_owned(),
        price: Some(Money { amount_minor, currency_code: "EUR".to_owned() }),
    };
    Showtime {
        movie_id: movie.id.clone(),
        hall_id: hall.id.clone(),
        start_time: Some(moviebooking_fields::time::to_wire(start)),
        prices: vec![price("standard", 900), price("premium", 1_250)],
        ..Showtime::default()
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Why a call was refused.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Status>) -> Reason {
    reason_of(&result.unwrap_err()).unwrap()
}

fn person(clock: &ManualClock, admin: bool, staff_of: &[TheaterId]) -> Caller {
    let now = clock.now();
    Caller::User(Arc::new(User {
        id: UserId::new(now),
        session: SessionId::new(now),
        admin,
        staff_of: staff_of.to_vec(),
        expire_time: Timestamp::MAX,
    }))
}

/// A link on which the caller is already known, as behind the layer that verifies tokens.
fn called_by(routes: Routes, caller: Caller) -> Link {
    Link::local(Routes::from(routes.into_axum_router().layer(axum::Extension(caller))))
}
