//! A movies service with its neighbours in one process.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, ServiceCredentials, ServiceSecret, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SharedClock},
    id::{SessionId, TheaterId, UserId},
};
use moviebooking_movies::Service;
use moviebooking_proto::{
    Reason,
    money::v1::Money,
    movies::v1::{
        CategoryPrice, CreateMovieRequest, CreateShowtimeRequest, Movie, Showtime,
        movies_service_client::MoviesServiceClient,
    },
    problem::reason_of,
    theaters::v1::{
        CreateHallRequest, CreateTheaterRequest, Hall, Layout, PublishLayoutRequest, Row, Seat, SeatCategory,
        SeatKind, Theater, theaters_service_client::TheatersServiceClient,
    },
};
use moviebooking_serve::{Link, LinkSlot};
use moviebooking_store::{Db, testing::TestDb};
use tonic::{Status, service::Routes};

/// When every test begins.
pub(crate) const START: &str = "2026-11-22T12:00:00Z";

pub(crate) type Movies = MoviesServiceClient<Link>;

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: Service,
    /// As an admin.
    pub(crate) movies: Movies,
    /// As an admin.
    pub(crate) theaters: TheatersServiceClient<Link>,
    reservations: Mutex<Option<(LinkSlot, Routes)>>,
    keys: AtomicU32,
    _databases: [TestDb; 2],
}

impl World {
    /// With reservations running.
    pub(crate) async fn new(db: Db) -> Self {
        let world = Self::without_reservations(db).await;
        world.start_reservations();
        world
    }

    /// With reservations that cannot be reached until they are started.
    pub(crate) async fn without_reservations(db: Db) -> Self {
        let clock = ManualClock::at(time(START));
        let shared: SharedClock = clock.clone();
        let credentials = |name| ServiceCredentials::new(name, ServiceSecret::random(), Arc::clone(&shared));

        let theaters_db = TestDb::sqlite(&moviebooking_theaters::MIGRATIONS).await;
        let theaters = moviebooking_theaters::Service::new(theaters_db.db().clone(), Arc::clone(&shared));
        let to_theaters = Link::local(theaters.routes());

        let (to_reservations, slot) = Link::slot();
        let from_movies = credentials("movies");
        let service = Service::new(
            db.clone(),
            Arc::clone(&shared),
            from_movies.link("theaters", to_theaters.clone()),
            from_movies.link("reservations", to_reservations),
        );

        let reservations_db = TestDb::sqlite(&moviebooking_reservations::MIGRATIONS).await;
        let from_reservations = credentials("reservations");
        let reservations = moviebooking_reservations::Service::new(
            reservations_db.db().clone(),
            Arc::clone(&shared),
            from_reservations.link("movies", Link::local(service.routes())),
            from_reservations.link("theaters", to_theaters),
        );

        let admin = person(&clock, true, &[]);
        Self {
            movies: MoviesServiceClient::new(called_by(service.routes(), admin.clone())),
            theaters: TheatersServiceClient::new(called_by(theaters.routes(), admin)),
            reservations: Mutex::new(Some((slot, reservations.routes()))),
            keys: AtomicU32::new(0),
            _databases: [theaters_db, reservations_db],
            db,
            clock,
            service,
        }
    }

    pub(crate) fn start_reservations(&self) {
        let (slot, routes) = self.reservations.lock().unwrap().take().unwrap();
        slot.fill(routes);
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

    pub(crate) async fn theater(&self, time_zone: &str, currency_code: &str) -> Theater {
        let theater = Theater {
            display_name: "Lichtspielhaus".to_owned(),
            time_zone: time_zone.to_owned(),
            currency_code: currency_code.to_owned(),
            ..Theater::default()
        };
        let request = CreateTheaterRequest { theater: Some(theater), request_id: self.key() };
        self.theaters.clone().create_theater(request).await.unwrap().into_inner()
    }

    /// A hall without seats.
    pub(crate) async fn empty_hall(&self, theater: &Theater) -> Hall {
        let request_id = self.key();
        let hall = Hall { display_name: request_id.clone(), cleaning_minutes: 20, ..Hall::default() };
        let request = CreateHallRequest { theater_id: theater.id.clone(), hall: Some(hall), request_id };
        self.theaters.clone().create_hall(request).await.unwrap().into_inner()
    }

    /// A hall with the categories standard and premium and 20 minutes of cleaning.
    pub(crate) async fn hall(&self, theater: &Theater) -> Hall {
        let mut hall = self.empty_hall(theater).await;
        hall.layout_version = self.publish(&hall, &["standard", "premium"]).await;
        hall
    }

    /// Publishes a layout with one seat of each category and returns its version.
    pub(crate) async fn publish(&self, hall: &Hall, categories: &[&str]) -> i32 {
        let color = "#336699".to_owned();
        let seat = |(at, category): (i32, &&str)| Seat {
            label: format!("A{at}"),
            category: (*category).to_owned(),
            kind: SeatKind::Standard.into(),
            x: at * 100,
            ..Seat::default()
        };
        let layout = Layout {
            display_name: "Plan".to_owned(),
            categories: categories
                .iter()
                .map(|name| SeatCategory { name: (*name).to_owned(), color: color.clone() })
                .collect(),
            rows: vec![Row { label: "A".to_owned(), seats: (1..).zip(categories).map(seat).collect() }],
            ..Layout::default()
        };
        let request =
            PublishLayoutRequest { hall_id: hall.id.clone(), layout: Some(layout), request_id: self.key() };
        self.theaters.clone().publish_layout(request).await.unwrap().into_inner().version
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
