//! The demo cinema: two theaters in two time zones, four halls, a real catalogue, a week of showtimes, three accounts.
//!
//! Everything but the catalogue and the first admin goes through the gateway, so the demo obeys every rule. Each step looks whether it was done before: a start that was cut off is made good by the next, and each start
//! adds the days that have come into view.

pub(crate) mod accounts;
mod api;
mod halls;
mod schedule;

use jiff::Timestamp;
use moviebooking_proto::{
    theaters::v1::{ListTheatersRequest, theaters_service_client::TheatersServiceClient},
    users::v1::{RegisterRequest, Roles, SetRolesRequest},
};
use moviebooking_serve::{Link, StartError};
use tonic::{Code, Status};

use self::{
    accounts::{Account, Accounts},
    api::Api,
};
use crate::Platform;

/// The catalogue: see `crates/movies/data/README.md` for its source and licence.
const CATALOGUE: &[u8] = include_bytes!("../../../movies/data/movies.json");

/// Makes the demo in this process, or what is missing of it.
///
/// # Errors
/// When a service refuses a step.
pub async fn seed(platform: &Platform, accounts: &Accounts) -> Result<(), StartError> {
    let theaters =
        TheatersServiceClient::new(platform.link()).list_theaters(ListTheatersRequest::default()).await;
    // The catalogue was filled before there was a theater: reading it again would change nothing but take its time.
    if theaters.map_err(|status| failed(&status))?.into_inner().theaters.is_empty() {
        platform.import_movies(CATALOGUE).await?;
    }
    let Account { email, password } = &accounts.admin;
    platform.bootstrap_admin(email, password, "Demo Admin").await.map_err(|status| failed(&status))?;
    furnish(&platform.link(), accounts, platform.now()).await
}

/// Makes the demo, or what is missing of it, on a platform with a catalogue and the accounts' admin.
///
/// # Errors
/// When the platform cannot be reached or refuses a step.
pub(crate) async fn furnish(gateway: &Link, accounts: &Accounts, now: Timestamp) -> Result<(), StartError> {
    steps(gateway, accounts, now).await.map_err(|status| failed(&status))
}

fn failed(status: &Status) -> StartError {
    let text = format!("the demo cinema could not be made: {}", status.message());
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => StartError::unavailable(text),
        Code::Unauthenticated | Code::PermissionDenied => StartError::permission(text),
        _ => StartError::software(text),
    }
}

async fn steps(gateway: &Link, accounts: &Accounts, now: Timestamp) -> Result<(), Status> {
    let mut api = Api::sign_in(gateway, &accounts.admin.email, &accounts.admin.password).await?;
    register(&mut api, &accounts.customer, "Demo Customer").await?;
    let staff = register(&mut api, &accounts.staff, "Demo Staff").await?;

    let theaters = schedule::theaters(&mut api).await?;
    let first = theaters.first().map(|theater| theater.id.clone());
    api.users
        .set_roles(SetRolesRequest {
            id: staff,
            roles: Some(Roles { admin: false, staff_of_theaters: first.into_iter().collect() }),
            request_id: String::new(),
        })
        .await?;
    schedule::showtimes(&mut api, &theaters, now).await
}

/// The id of the account, registered now or before.
async fn register(api: &mut Api, account: &Account, name: &str) -> Result<String, Status> {
    let request = RegisterRequest {
        email: account.email.clone(),
        password: account.password.clone(),
        display_name: name.to_owned(),
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    match api.users.register(request).await {
        Ok(user) => Ok(user.into_inner().id),
        Err(status) if status.code() == Code::AlreadyExists => api.user_id(&account.email).await,
        Err(status) => Err(status),
    }
}
