//! The neighbours as they are: theaters, movies, reservations and tickets with databases of their own. Those that payments
//! calls listen on the loopback address, for a payments process that can be killed.

use std::{net::SocketAddr, sync::Arc};

use jiff::SignedDuration;
use moviebooking_audit::Databases;
use moviebooking_auth::{
    Caller, Keys, KeysFromUsers, ServiceCredentials, ServiceLink, ServiceSecret, ServiceSecrets, Verifier,
    protect,
};
use moviebooking_domain::clock::{Clock as _, ManualClock, SharedClock};
use moviebooking_proto::{
    movies::v1::{
        CategoryPrice, CreateMovieRequest, CreateShowtimeRequest, Movie, Showtime,
        movies_service_server::MoviesService as _,
    },
    payments::v1::{RefundShowtimeRequest, payments_internal_server::PaymentsInternal},
    reservations::v1::{
        BestAvailable, CloseShowtimeRequest, CreateReservationRequest, GetReservationRequest, Reservation,
        ReservationState, reservations_internal_server::ReservationsInternal as _,
        reservations_service_server::ReservationsService as _,
    },
    theaters::v1::{
        CreateHallRequest, CreateTheaterRequest, Hall, Layout, PublishLayoutRequest, RefundPolicy, Row, Seat,
        SeatCategory, SeatKind, Theater, theaters_service_server::TheatersService as _,
    },
};
use moviebooking_serve::{ConnectOptions, Link, LinkSlot, Server, bind};
use moviebooking_store::{sql, testing::TestDb};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Response, Status, service::Routes};
use uuid::Uuid;

use super::world::{admin, euro, request};

/// Rows and seats of a hall: enough for those of one case, and for what is offered instead.
const HALL: (u8, usize) = (4, 10);

/// Where the services that payments calls listen, and the secret that they know it by.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Addresses {
    pub(super) reservations: SocketAddr,
    pub(super) tickets: SocketAddr,
    secret: String,
}

impl Addresses {
    /// Links of a payments process to them.
    pub(super) fn links(&self, clock: &SharedClock) -> [ServiceLink; 2] {
        let credentials = ServiceCredentials::new(crate::NAME, secret(&self.secret), Arc::clone(clock));
        [("reservations", self.reservations), ("tickets", self.tickets)].map(|(name, address)| {
            let link = Link::connect(&format!("http://{address}"), &ConnectOptions::default()).unwrap();
            credentials.link(name, link)
        })
    }
}

fn secret(text: &str) -> ServiceSecret {
    let secrets = ServiceSecrets::parse(text.as_bytes()).unwrap();
    ServiceSecret::following(watch::channel(Arc::new(secrets)).1)
}

/// A cinema, with a hall of its own for every showtime.
pub(super) struct Cinema {
    pub(super) clock: Arc<ManualClock>,
    pub(super) addresses: Addresses,
    reservations_db: TestDb,
    tickets_db: TestDb,
    reservations: moviebooking_reservations::Service,
    theaters: moviebooking_theaters::Service,
    movies: moviebooking_movies::Service,
    theater: String,
    movie: String,
    _others: [TestDb; 2],
    _stop: DropGuard,
}

impl Cinema {
    pub(super) async fn open() -> Self {
        let clock = ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap());
        let shared: SharedClock = clock.clone();
        let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let secret = secret(&text);
        // Nobody comes with a user's token, so nobody's keys are needed.
        let keys = Arc::new(Keys::new(KeysFromUsers::new(Link::slot().0), Arc::clone(&shared)));
        let protected = |name, routes| {
            protect(routes, Verifier::new(name, Arc::clone(&keys), Some(secret.clone()), Arc::clone(&shared)))
        };
        let credentials = |name| ServiceCredentials::new(name, secret.clone(), Arc::clone(&shared));

        let databases = [
            TestDb::sqlite(&moviebooking_theaters::MIGRATIONS).await,
            TestDb::sqlite(&moviebooking_movies::MIGRATIONS).await,
        ];
        let reservations_db = TestDb::sqlite(&moviebooking_reservations::MIGRATIONS).await;
        let tickets_db = TestDb::sqlite(&moviebooking_tickets::MIGRATIONS).await;
        let (to_theaters, theaters_slot) = Link::slot();
        let (to_movies, movies_slot) = Link::slot();
        let (to_reservations, reservations_slot) = Link::slot();
        let theaters = moviebooking_theaters::Service::new(databases[0].db().clone(), Arc::clone(&shared));
        let movies = moviebooking_movies::Service::new(
            databases[1].db().clone(),
            Arc::clone(&shared),
            credentials("movies").link("theaters", to_theaters.clone()),
            credentials("movies").link("reservations", to_reservations),
            // Showtimes are cancelled by `close`.
            credentials("movies").link("payments", Link::slot().0),
        );
        let reservations = moviebooking_reservations::Service::new(
            reservations_db.db().clone(),
            Arc::clone(&shared),
            credentials("reservations").link("movies", to_movies.clone()),
            credentials("reservations").link("theaters", to_theaters.clone()),
        );
        let tickets = moviebooking_tickets::Service::new(
            tickets_db.db().clone(),
            Arc::clone(&shared),
            credentials("tickets").link("movies", to_movies),
            credentials("tickets").link("theaters", to_theaters),
        );
        let fill = |slot: LinkSlot, name, routes| slot.fill(protected(name, routes));
        fill(theaters_slot, "theaters", theaters.routes());
        fill(movies_slot, "movies", movies.routes());
        fill(reservations_slot, "reservations", reservations.routes());

        let stop = CancellationToken::new();
        let addresses = Addresses {
            reservations: serve(protected("reservations", reservations.routes()), &stop).await,
            tickets: serve(protected("tickets", tickets.routes()), &stop).await,
            secret: text,
        };
        let (theater, movie) = (theater(&theaters).await, film(&movies).await);
        Self {
            clock,
            addresses,
            reservations_db,
            tickets_db,
            reservations,
            theaters,
            movies,
            theater,
            movie,
            _others: databases,
            _stop: stop.drop_guard(),
        }
    }

    /// A new showtime in three hours, in a hall of its own. Gives its id.
    pub(super) async fn showtime(&self) -> String {
        self.schedule(self.movie.clone(), HALL).await
    }

    /// The only showtime of a movie, for one seat, A1. Gives its id.
    pub(super) async fn showtime_for_one(&self) -> String {
        self.schedule(film(&self.movies).await, (1, 1)).await
    }

    async fn schedule(&self, movie_id: String, (rows, seats): (u8, usize)) -> String {
        let by = admin();
        let key = || Uuid::new_v4().to_string();
        let hall = Hall { display_name: key(), ..Hall::default() };
        let message =
            CreateHallRequest { theater_id: self.theater.clone(), hall: Some(hall), request_id: key() };
        let hall = self.theaters.create_hall(request(&by, &message)).await.unwrap().into_inner();
        let layout = Some(layout(rows, seats));
        let message = PublishLayoutRequest { hall_id: hall.id.clone(), layout, request_id: key() };
        self.theaters.publish_layout(request(&by, &message)).await.unwrap();
        let start = self.clock.now() + SignedDuration::from_hours(3);
        let showtime = Showtime {
            movie_id,
            hall_id: hall.id,
            start_time: Some(moviebooking_fields::time::to_wire(start)),
            prices: vec![CategoryPrice { category: "standard".to_owned(), price: Some(euro(900)) }],
            ..Showtime::default()
        };
        let message = CreateShowtimeRequest { showtime: Some(showtime), request_id: key() };
        self.movies.create_showtime(request(&by, &message)).await.unwrap().into_inner().id
    }

    /// What movies does with a showtime that is cancelled: reservations close it, and payments refund it.
    pub(super) async fn close(&self, showtime: &str, payments: &crate::Service) {
        let message = CloseShowtimeRequest { showtime_id: showtime.to_owned() };
        self.reservations.close_showtime(tonic::Request::new(message)).await.unwrap();
        let message =
            RefundShowtimeRequest { showtime_id: showtime.to_owned(), theater_id: self.theater.clone() };
        PaymentsInternal::refund_showtime(payments, tonic::Request::new(message)).await.unwrap();
    }

    /// Two seats of a showtime that the buyer holds.
    pub(super) async fn hold(&self, buyer: &Caller, showtime: &str) -> Reservation {
        let message = CreateReservationRequest {
            showtime_id: showtime.to_owned(),
            best_available: Some(BestAvailable { count: 2, together: true, ..BestAvailable::default() }),
            request_id: Uuid::new_v4().to_string(),
            ..CreateReservationRequest::default()
        };
        self.reservations.create_reservation(request(buyer, &message)).await.unwrap().into_inner()
    }

    /// The seat of a showtime for one, if the buyer gets it.
    pub(super) async fn hold_the_seat(&self, buyer: &Caller, showtime: &str) -> Result<Reservation, Status> {
        let message = CreateReservationRequest {
            showtime_id: showtime.to_owned(),
            seats: vec!["A1".to_owned()],
            request_id: Uuid::new_v4().to_string(),
            ..CreateReservationRequest::default()
        };
        self.reservations.create_reservation(request(buyer, &message)).await.map(Response::into_inner)
    }

    /// What has become of a reservation.
    pub(super) async fn state(&self, buyer: &Caller, reservation: &str) -> ReservationState {
        let message = GetReservationRequest { id: reservation.to_owned() };
        self.reservations.get_reservation(request(buyer, &message)).await.unwrap().into_inner().state()
    }

    /// Lets in who has a valid ticket for a showtime.
    pub(super) async fn let_in(&self, showtime: &str) {
        let update = sql("UPDATE tickets SET checked_in_at = $2, checked_in_by = $3 \
             WHERE showtime_id = $1 AND voided_at IS NULL");
        let update = update.bind(showtime.parse::<Uuid>().unwrap());
        let update = update.bind(self.clock.now()).bind(Uuid::new_v4());
        update.execute(self.tickets_db.db()).await.unwrap();
    }

    /// All databases, for the platform's audit.
    pub(super) fn databases(&self, payments: &TestDb, bank: &TestDb) -> Databases {
        let [reservations, payments, tickets, bank] =
            [&self.reservations_db, payments, &self.tickets_db, bank].map(|database| database.db().clone());
        Databases { reservations, payments, tickets, bank }
    }

    /// Has somebody else hold the seats of a hold that has expired.
    pub(super) async fn take(&self, buyer: &Caller, hold: &Reservation) {
        let message = CreateReservationRequest {
            showtime_id: hold.showtime_id.clone(),
            seats: hold.seats.iter().map(|seat| seat.label.clone()).collect(),
            request_id: Uuid::new_v4().to_string(),
            ..CreateReservationRequest::default()
        };
        self.reservations.create_reservation(request(buyer, &message)).await.unwrap();
    }
}

async fn serve(routes: Routes, stop: &CancellationToken) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(routes.into_axum_router());
    tokio::spawn(server.run(listener, stop.clone()));
    address
}

/// Makes a theater, which takes tickets back for a fee. Gives its id.
async fn theater(theaters: &moviebooking_theaters::Service) -> String {
    let policy =
        RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, ..RefundPolicy::default() };
    let theater = Theater {
        display_name: "Lichtburg".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        currency_code: "EUR".to_owned(),
        refund_policy: Some(policy),
        ..Theater::default()
    };
    let message = CreateTheaterRequest { theater: Some(theater), request_id: Uuid::new_v4().to_string() };
    theaters.create_theater(request(&admin(), &message)).await.unwrap().into_inner().id
}

/// Makes a movie. Gives its id.
async fn film(movies: &moviebooking_movies::Service) -> String {
    let movie = Movie {
        title: format!("Der Himmel über Berlin {}", Uuid::new_v4()),
        running_time_minutes: Some(128),
        ..Movie::default()
    };
    let message = CreateMovieRequest { movie: Some(movie), request_id: Uuid::new_v4().to_string() };
    movies.create_movie(request(&admin(), &message)).await.unwrap().into_inner().id
}

fn layout(rows: u8, seats: usize) -> Layout {
    let category = SeatCategory { name: "standard".to_owned(), color: "#336699".to_owned() };
    let row = |row: u8| {
        let label = char::from(b'A' + row).to_string();
        let seats = (1..=seats).map(|number| Seat {
            label: format!("{label}{number}"),
            category: "standard".to_owned(),
            kind: SeatKind::Standard.into(),
            x: i32::try_from(number).unwrap() * 100,
            y: i32::from(row) * 100,
            ..Seat::default()
        });
        Row { seats: seats.collect(), label }
    };
    Layout { categories: vec![category], rows: (0..rows).map(row).collect(), ..Layout::default() }
}
