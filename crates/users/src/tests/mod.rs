//! The use cases on both engines.

mod accounts;
mod admins;
mod keys;
mod limits;
mod rpcs;
mod sessions;

use std::sync::{Arc, atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock},
    id::{SessionId, UserId},
};
use moviebooking_proto::Reason;
use moviebooking_store::{Db, idempotency::Request, sql};
use secrecy::SecretString;

use crate::{
    Config, Service,
    account::Account,
    address::Address,
    email::Email,
    error::Error,
    register::{self, Registration},
    session::Session,
};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "another horse battery";

/// Settings that cost little time.
pub(crate) fn config() -> Config {
    Config { password_hash_memory_kib: 8, password_hash_iterations: 1, ..Config::default() }
}

/// The service with its clock, on a database.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new(db: Db) -> Self {
        Self::with(db, config())
    }

    pub(crate) fn with(db: Db, config: Config) -> Self {
        let clock = ManualClock::at("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap());
        Self { service: Service::new(db, Arc::clone(&clock) as _, config), clock }
    }

    /// The same database as another replica sees it.
    pub(crate) fn replica(&self, config: Config) -> Service {
        Service::new(self.service.db.clone(), Arc::clone(&self.clock) as _, config)
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    pub(crate) fn computed(&self) -> usize {
        self.service.hasher.computed.load(Ordering::SeqCst)
    }

    pub(crate) async fn register(&self, email: &str) -> Account {
        register_at(&self.service, email, email, PASSWORD, None).await.unwrap()
    }

    pub(crate) async fn admin(&self, email: &str) -> UserId {
        self.service.bootstrap_admin(email, PASSWORD, "Admin").await.unwrap()
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Result<Session, Error> {
        login_at(&self.service, email, password, None).await
    }

    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        key: &str,
        current: &str,
        new: &str,
    ) -> Result<(), Error> {
        let request = Request::optional(&caller.key_scope(), key, "users.ChangePassword", &()).unwrap();
        self.service.change_password(caller, &request, secret(current), secret(new), None).await
    }

    pub(crate) async fn delete(&self, caller: &Caller, id: UserId) -> Result<(), Error> {
        self.service.delete_user(caller, &no_key(), id).await
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sql(query).fetch_one(&self.service.db).await.unwrap().get("n").unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse("email", text).unwrap()
}

pub(crate) fn no_key() -> Request {
    Request::optional("", "", "", &()).unwrap()
}

pub(crate) fn address(text: &str) -> Option<Address> {
    let mut metadata = tonic::metadata::MetadataMap::new();
    metadata.insert("x-forwarded-for", text.parse().unwrap());
    Address::of(&metadata)
}

pub(crate) fn user(id: UserId) -> Caller {
    caller(id, false)
}

pub(crate) fn admin(id: UserId) -> Caller {
    caller(id, true)
}

fn caller(id: UserId, admin: bool) -> Caller {
    let session = SessionId::new(Timestamp::UNIX_EPOCH);
    Caller::User(Arc::new(User { id, session, admin, staff_of: Vec::new(), expire_time: Timestamp::MAX }))
}

pub(crate) async fn register_at(
    service: &Service,
    address: &str,
    key: &str,
    password: &str,
    from: Option<Address>,
) -> Result<Account, Error> {
    let email = email(address);
    let scope = register::key_scope(&email);
    let request = Request::required(&scope, key, "users.Register", &address.to_owned()).unwrap();
    let registration = Registration { email, display_name: "Ann".to_owned(), password: secret(password) };
    service.register(&request, registration, from).await
}

pub(crate) async fn login_at(
    service: &Service,
    address: &str,
    password: &str,
    from: Option<Address>,
) -> Result<Session, Error> {
    service.login(&email(address), secret(password), from).await
}

/// Why it failed, as a client is told.
pub(crate) fn reason<T>(result: Result<T, Error>) -> Reason {
    let error = result.err().expect("it is refused");
    moviebooking_proto::Problem::from(error).reason()
}
