//! A cinema with one hall, some showtimes, and as many replicas of the service as wanted on one database.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, ServiceCredentials, ServiceSecret, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SharedClock},
    id::{HallId, MovieId, PaymentId, SessionId, ShowtimeId, TheaterId, UserId},
};
use moviebooking_fields::time::to_wire;
use moviebooking_proto::{
    Reason,
    money::v1::Money,
    movies::v1::{self as movies, movies_service_server::MoviesServiceServer},
    problem::reason_of,
    reservations::v1::{
        self as wire, reservations_internal_server::ReservationsInternal,
        reservations_service_server::ReservationsService,
    },
    theaters::v1::{self as theaters, theaters_service_server::TheatersServiceServer},
};
use moviebooking_serve::Link;
use moviebooking_store::testing::TestDb;
use tonic::{Request, Status, service::Routes};
use uuid::Uuid;

use super::neighbours::Neighbours;
use crate::{MIGRATIONS, NAME, Service, audit::audit};

/// One letter per seat: `.` stalls, `p` premium, `w` a wheelchair space, `c` its companion seat, blank an aisle. Rows
/// are A and on, seats are numbered from 1: `A1`.
const HALL: [&str; 4] = ["..........", "..........", "pppp  pppp", "wc......wc"];

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) theater: TheaterId,
    /// On sale.
    pub(crate) showtime: ShowtimeId,
    pub(crate) not_yet_on_sale: ShowtimeId,
    pub(crate) no_more_on_sale: ShowtimeId,
    pub(crate) cancelled: ShowtimeId,
    /// The next two of the movie of `showtime` in the same hall, a day and two days later.
    pub(crate) next: [ShowtimeId; 2],
    neighbours: Neighbours,
    pub(crate) database: TestDb,
    at_once: bool,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        Self::on(TestDb::sqlite(&MIGRATIONS).await, false)
    }

    pub(crate) async fn postgres(at_once: bool) -> Self {
        Self::on(TestDb::postgres(&MIGRATIONS).await, at_once)
    }

    fn on(database: TestDb, at_once: bool) -> Self {
        let start: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
        let clock = ManualClock::at(start);
        let (theater, hall) = (TheaterId::new(start), HallId::new(start));
        let hours = |hours| Some(to_wire(start + SignedDuration::from_hours(hours)));
        let mut showtimes = HashMap::new();
        let mut add = |sales_start_time, sales_end_time, state: movies::ShowtimeState| {
            let id = ShowtimeId::new(start);
            let price = |category: &str, amount_minor| movies::CategoryPrice {
                category: category.to_owned(),
                price: Some(Money { amount_minor, currency_code: "EUR".to_owned() }),
            };
            let showtime = movies::Showtime {
                id: id.to_string(),
                movie_id: MovieId::new(start).to_string(),
                hall_id: hall.to_string(),
                theater_id: theater.to_string(),
                layout_version: 1,
                start_time: hours(24),
                end_time: hours(26),
                prices: vec![price("stalls", 1_000), price("premium", 1_450)],
                sales_start_time,
                sales_end_time,
                state: state.into(),
                ..movies::Showtime::default()
            };
            showtimes.insert(id.to_string(), showtime);
            id
        };
        let showtime = add(None, None, movies::ShowtimeState::Scheduled);
        let not_yet_on_sale = add(hours(1), None, movies::ShowtimeState::Scheduled);
        let no_more_on_sale = add(None, hours(0), movies::ShowtimeState::Scheduled);
        let cancelled = add(None, None, movies::ShowtimeState::Cancelled);
        let next = [48, 72].map(|start_hours| {
            let id = ShowtimeId::new(start);
            let before = showtimes[&showtime.to_string()].clone();
            let later = movies::Showtime { id: id.to_string(), start_time: hours(start_hours), ..before };
            showtimes.insert(id.to_string(), later);
            id
        });
        let neighbours = Neighbours { showtimes: Arc::new(showtimes), layout: layout() };
        let service = service(&database, &clock, &neighbours, at_once);
        Self {
            service,
            clock,
            theater,
            showtime,
            not_yet_on_sale,
            no_more_on_sale,
            cancelled,
            next,
            neighbours,
            database,
            at_once,
        }
    }

    /// Another process on the same database.
    pub(crate) fn replica(&self) -> Service {
        service(&self.database, &self.clock, &self.neighbours, self.at_once)
    }

    /// A process whose neighbours cannot be reached.
    pub(crate) fn alone(&self) -> Service {
        linked(&self.database, &self.clock, Link::slot().0, Link::slot().0)
    }

    /// A process to which movies tells of the showtime what `change` makes of it.
    pub(crate) fn told(&self, change: impl FnOnce(&mut movies::Showtime)) -> Service {
        let mut showtime = self.neighbours.showtimes[&self.showtime.to_string()].clone();
        change(&mut showtime);
        let showtimes = Arc::new(HashMap::from([(self.showtime.to_string(), showtime)]));
        let neighbours = Neighbours { showtimes, ..self.neighbours.clone() };
        service(&self.database, &self.clock, &neighbours, self.at_once)
    }

    pub(crate) fn buyer(&self) -> Caller {
        Buyer::default().caller(self)
    }

    pub(crate) fn staff(&self) -> Caller {
        Buyer { staff: true, ..Buyer::default() }.caller(self)
    }

    pub(crate) fn admin(&self) -> Caller {
        Buyer { admin: true, ..Buyer::default() }.caller(self)
    }

    pub(crate) fn payment(&self) -> PaymentId {
        PaymentId::new(self.clock.now())
    }

    pub(crate) async fn hold(&self, caller: &Caller, seats: &[&str]) -> Result<wire::Reservation, Status> {
        create(&self.service, caller, named(self.showtime, seats)).await
    }

    pub(crate) async fn map(&self, caller: &Caller) -> wire::SeatMap {
        map_of(&self.service, caller, self.showtime).await
    }

    /// The labels of the seats in this state.
    pub(crate) async fn seats(&self, state: wire::SeatState) -> Vec<String> {
        let map = self.map(&Caller::Anonymous).await;
        map.rows
            .into_iter()
            .flat_map(|row| row.seats)
            .filter(|seat| seat.state() == state)
            .map(|seat| seat.label)
            .collect()
    }

    pub(crate) async fn extend(
        &self,
        caller: &Caller,
        id: &str,
        key: &str,
    ) -> Result<wire::Reservation, Status> {
        let message = wire::ExtendReservationRequest { id: id.to_owned(), request_id: key.to_owned() };
        self.service.extend_reservation(by(caller, message)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn release(&self, caller: &Caller, id: &str) -> Result<wire::Reservation, Status> {
        let message = wire::ReleaseReservationRequest { id: id.to_owned(), ..Default::default() };
        self.service.release_reservation(by(caller, message)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn get(&self, caller: &Caller, id: &str) -> Result<wire::Reservation, Status> {
        let message = wire::GetReservationRequest { id: id.to_owned() };
        self.service.get_reservation(by(caller, message)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn confirm(&self, id: &str, payment: PaymentId) -> Result<wire::Reservation, Status> {
        confirm(&self.service, id, payment).await
    }

    pub(crate) async fn offers(&self, id: &str, payment: PaymentId) -> Vec<wire::Reservation> {
        let message =
            wire::OfferSeatsRequest { reservation_id: id.to_owned(), payment_id: payment.to_string() };
        self.service.offer_seats(Request::new(message)).await.unwrap().into_inner().offers
    }

    pub(crate) async fn keep(&self, id: &str, payment: PaymentId) -> Result<wire::Reservation, Status> {
        let message =
            wire::KeepReservationRequest { reservation_id: id.to_owned(), payment_id: payment.to_string() };
        self.service.keep_reservation(Request::new(message)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn free(
        &self,
        id: &str,
        payment: PaymentId,
        seats: &[&str],
    ) -> Result<wire::Reservation, Status> {
        let message = wire::FreeSeatsRequest {
            reservation_id: id.to_owned(),
            payment_id: payment.to_string(),
            seats: seats.iter().map(ToString::to_string).collect(),
        };
        self.service.free_seats(Request::new(message)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn close(&self) {
        let message = wire::CloseShowtimeRequest { showtime_id: self.showtime.to_string() };
        self.service.close_showtime(Request::new(message)).await.unwrap();
    }

    pub(crate) fn later(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }

    /// The history and the present must say the same, and nothing forbidden.
    pub(crate) async fn must_be_sound(&self) {
        let violations = audit(self.database.db()).await.unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

/// A request's caller and message.
pub(crate) fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

/// A request for named seats with a key of its own.
pub(crate) fn named(showtime: ShowtimeId, seats: &[&str]) -> wire::CreateReservationRequest {
    wire::CreateReservationRequest {
        showtime_id: showtime.to_string(),
        seats: seats.iter().map(ToString::to_string).collect(),
        best_available: None,
        request_id: Uuid::new_v4().to_string(),
    }
}

/// A request for the best seats with a key of its own.
pub(crate) fn best(
    showtime: ShowtimeId,
    count: i32,
    category: &str,
    together: bool,
) -> wire::CreateReservationRequest {
    let best_available = Some(wire::BestAvailable { count, category: category.to_owned(), together });
    wire::CreateReservationRequest { best_available, ..named(showtime, &[]) }
}

pub(crate) async fn create(
    service: &Service,
    caller: &Caller,
    message: wire::CreateReservationRequest,
) -> Result<wire::Reservation, Status> {
    service.create_reservation(by(caller, message)).await.map(tonic::Response::into_inner)
}

pub(crate) async fn confirm(
    service: &Service,
    id: &str,
    payment: PaymentId,
) -> Result<wire::Reservation, Status> {
    let message =
        wire::ConfirmReservationRequest { reservation_id: id.to_owned(), payment_id: payment.to_string() };
    service.confirm_reservation(Request::new(message)).await.map(tonic::Response::into_inner)
}

pub(crate) async fn map_of(service: &Service, caller: &Caller, showtime: ShowtimeId) -> wire::SeatMap {
    let message = wire::GetSeatMapRequest { showtime_id: showtime.to_string() };
    service.get_seat_map(by(caller, message)).await.unwrap().into_inner()
}

/// The labels of a reservation.
pub(crate) fn labels(reservation: &wire::Reservation) -> Vec<&str> {
    reservation.seats.iter().map(|seat| seat.label.as_str()).collect()
}

/// Why it was refused.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Status>) -> Reason {
    let status = result.unwrap_err();
    reason_of(&status).unwrap_or_else(|| panic!("no reason of ours: {status:?}"))
}

/// The fields that it was refused for.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let details = status.get_error_details();
    details
        .bad_request()
        .map(|bad| bad.field_violations.iter().map(|violation| violation.field.clone()).collect())
        .unwrap_or_default()
}

#[derive(Default)]
struct Buyer {
    staff: bool,
    admin: bool,
}

impl Buyer {
    fn caller(self, world: &World) -> Caller {
        let now = world.clock.now();
        Caller::User(Arc::new(User {
            id: UserId::new(now),
            session: SessionId::new(now),
            admin: self.admin,
            staff_of: if self.staff { vec![world.theater] } else { Vec::new() },
            expire_time: now + SignedDuration::from_hours(1),
        }))
    }
}

fn service(database: &TestDb, clock: &Arc<ManualClock>, neighbours: &Neighbours, at_once: bool) -> Service {
    let movies = Link::local(Routes::new(MoviesServiceServer::new(neighbours.clone())));
    let theaters = Link::local(Routes::new(TheatersServiceServer::new(neighbours.clone())));
    let service = linked(database, clock, movies, theaters);
    Service { at_once: service.at_once.clone().filter(|_| at_once), ..service }
}

fn linked(database: &TestDb, clock: &Arc<ManualClock>, movies: Link, theaters: Link) -> Service {
    let clock: SharedClock = clock.clone();
    let credentials = ServiceCredentials::new(NAME, ServiceSecret::random(), clock.clone());
    let (movies, theaters) = (credentials.link("movies", movies), credentials.link("theaters", theaters));
    Service::new(database.db().clone(), clock, movies, theaters)
}

fn layout() -> theaters::Layout {
    let rows = HALL.iter().zip('A'..).zip(0..).map(|((letters, name), y)| {
        let mut space = String::new();
        let seats =
            letters.chars().zip(1_i32..).filter(|(letter, _)| *letter != ' ').map(|(letter, number)| {
                let label = format!("{name}{number}");
                let mut companion_of = String::new();
                let kind = match letter {
                    'p' => theaters::SeatKind::Premium,
                    'w' => {
                        space.clone_from(&label);
                        theaters::SeatKind::Wheelchair
                    }
                    'c' => {
                        companion_of.clone_from(&space);
                        theaters::SeatKind::Companion
                    }
                    _ => theaters::SeatKind::Standard,
                };
                let category = if letter == 'p' { "premium" } else { "stalls" }.to_owned();
                theaters::Seat {
                    label,
                    category,
                    kind: kind.into(),
                    x: number * 100,
                    y: y * 120,
                    companion_of,
                }
            });
        theaters::Row { label: name.to_string(), seats: seats.collect() }
    });
    let category = |name: &str| theaters::SeatCategory { name: name.to_owned(), color: "#102030".to_owned() };
    theaters::Layout {
        version: 1,
        categories: vec![category("stalls"), category("premium")],
        rows: rows.collect(),
        ..theaters::Layout::default()
    }
}
