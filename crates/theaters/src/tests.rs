//! The service as its callers see it, on both engines.

mod concurrency;
mod halls;
mod layouts;
mod theaters;

use std::sync::Arc;

use jiff::Timestamp;
use moviebooking_auth::{Caller, User};
use moviebooking_domain::{
    clock::ManualClock,
    id::{SessionId, TheaterId, UserId, version_7},
};
use moviebooking_proto::{
    Reason,
    problem::reason_of,
    theaters::v1::{self as wire, theaters_service_server::TheatersService},
};
use moviebooking_store::Db;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::Service;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 123_456_000);

fn service(db: Db) -> Service {
    Service::new(db, ManualClock::at(NOW))
}

fn user(admin: bool, staff_of: Vec<TheaterId>) -> Caller {
    let (id, session) = (UserId::new(NOW), SessionId::new(NOW));
    Caller::User(Arc::new(User { id, session, admin, staff_of, expire_time: Timestamp::MAX }))
}

fn admin() -> Caller {
    user(true, Vec::new())
}

fn staff_of(theater: &wire::Theater) -> Caller {
    user(false, vec![theater.id.parse::<uuid::Uuid>().unwrap().into()])
}

/// A request as it comes after the check of who may call the RPC.
fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

/// A key that was not used before.
fn new_key() -> String {
    version_7(NOW).to_string()
}

/// The answer's message.
fn sent<T>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap().into_inner()
}

/// Why it was refused, and the fields that the refusal names.
fn refused<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Reason, Vec<String>) {
    let status = answer.unwrap_err();
    let fields = status.get_error_details();
    let fields = fields.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    (reason_of(&status).unwrap(), fields.iter().map(|violation| violation.field.clone()).collect())
}

fn berlin() -> wire::Theater {
    wire::Theater {
        display_name: "Lichtspielhaus".to_owned(),
        address: Some(wire::Address {
            lines: vec!["Am Ufer 1".to_owned(), "Hinterhaus".to_owned()],
            postal_code: "10115".to_owned(),
            city: "Berlin".to_owned(),
            region: String::new(),
            country_code: "DE".to_owned(),
        }),
        time_zone: "Europe/Berlin".to_owned(),
        currency_code: "EUR".to_owned(),
        ..wire::Theater::default()
    }
}

async fn open_theater(service: &Service) -> wire::Theater {
    let request = wire::CreateTheaterRequest { theater: Some(berlin()), request_id: new_key() };
    sent(service.create_theater(by(&admin(), request)).await)
}

fn hall_request(theater: &wire::Theater, name: &str) -> wire::CreateHallRequest {
    let hall = wire::Hall { display_name: name.to_owned(), cleaning_minutes: 15, ..wire::Hall::default() };
    wire::CreateHallRequest { theater_id: theater.id.clone(), hall: Some(hall), request_id: new_key() }
}

async fn open_hall(service: &Service, theater: &wire::Theater, name: &str) -> wire::Hall {
    sent(service.create_hall(by(&staff_of(theater), hall_request(theater, name))).await)
}

async fn hall(service: &Service, id: &str) -> wire::Hall {
    sent(service.get_hall(Request::new(wire::GetHallRequest { id: id.to_owned() })).await)
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}
