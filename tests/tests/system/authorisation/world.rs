//! The callers and the things that the walk needs.

use moviebooking_tests::{Grpc, Rest, System, key};
use serde_json::{Value, json};

use super::Who;
use crate::booking::buy;

/// Two theaters' staff, two customers, and what one of them bought.
pub(crate) struct World {
    pub(crate) system: &'static System,
    pub(crate) grpc: Grpc,
    pub(crate) stranger: Rest,
    pub(crate) owner: Rest,
    pub(crate) other_staff: Rest,
    pub(crate) staff: Rest,
    pub(crate) admin: Rest,
    pub(crate) owner_id: String,
    /// Of the demo's first theater, which `staff` runs.
    pub(crate) showtime: String,
    pub(crate) theater: String,
    pub(crate) hall: String,
    pub(crate) movie: String,
    pub(crate) reservation: String,
    pub(crate) payment: String,
    pub(crate) ticket: Value,
}

impl World {
    pub(crate) async fn make(system: &'static System) -> Self {
        let (owner, stranger, admin) =
            (system.new_customer().await, system.new_customer().await, system.admin().await);
        let owner_id = text(&owner.get("/users/me").await.ok()["id"]);
        let showtime = system.showtime().await;
        let shown = owner.get(&format!("/showtimes/{showtime}")).await.ok();
        let theater = text(&shown["theaterId"]);
        let payment = buy(&owner, &showtime).await;
        let ticket = owner.get(&format!("/tickets/{}", text(&payment["ticketIds"][0]))).await.ok();
        Self {
            grpc: system.grpc().await,
            other_staff: staff_of_another_theater(system, &admin).await,
            staff: system.staff().await,
            movie: text(&shown["movieId"]),
            hall: text(&shown["hallId"]),
            reservation: text(&payment["reservationId"]),
            payment: text(&payment["id"]),
            system,
            stranger,
            owner,
            admin,
            owner_id,
            showtime,
            theater,
            ticket,
        }
    }

    pub(crate) fn token(&self, who: Who) -> Option<&str> {
        match who {
            Who::Anonymous => None,
            Who::Stranger => self.stranger.token(),
            Who::Owner => self.owner.token(),
            Who::OtherStaff => self.other_staff.token(),
            Who::Staff => self.staff.token(),
            Who::Admin => self.admin.token(),
        }
    }

    /// A customer of whom nothing else needs anything, and their id.
    pub(crate) async fn somebody(&self) -> (Rest, String) {
        let somebody = self.system.new_customer().await;
        let id = text(&somebody.get("/users/me").await.ok()["id"]);
        (somebody, id)
    }

    /// A fresh hall of the theater that `staff` runs.
    pub(crate) async fn new_hall(&self) -> String {
        let path = format!("/theaters/{}/halls", self.theater);
        text(&self.admin.post(&path, json!({"displayName": format!("Hall {}", key())})).await.ok()["id"])
    }

    /// A fresh theater with nothing in it.
    pub(crate) async fn new_theater(&self) -> String {
        let theater = json!({"displayName": format!("Theater {}", key()), "timeZone": "Europe/Paris", "currencyCode": "EUR"});
        text(&self.admin.post("/theaters", theater).await.ok()["id"])
    }

    /// A fresh movie that is shown nowhere.
    pub(crate) async fn new_movie(&self) -> String {
        text(&self.admin.post("/movies", json!({"title": format!("Movie {}", key())})).await.ok()["id"])
    }

    /// A fresh hold by the owner.
    pub(crate) async fn new_hold(&self) -> Value {
        let showtime = self.system.showtime().await;
        self.owner
            .post("/reservations", json!({"showtimeId": showtime, "bestAvailable": {"count": 1}}))
            .await
            .ok()
    }
}

async fn staff_of_another_theater(system: &System, admin: &Rest) -> Rest {
    let (email, password) = (format!("{}@staff.example", key()), "a long enough password");
    let account = json!({"email": email, "password": password, "displayName": "Other Staff"});
    let id = text(&system.rest().post("/users/register", account).await.ok()["id"]);
    let theaters = admin.get("/theaters?pageSize=200").await.ok();
    let new_york = theaters["theaters"]
        .as_array()
        .and_then(|all| all.iter().find(|theater| theater["timeZone"] == "America/New_York"))
        .map(|theater| theater["id"].clone())
        .expect("the demo's second theater");
    admin.put(&format!("/users/{id}/roles"), json!({"roles": {"staffOfTheaters": [new_york]}})).await.ok();
    system.rest().sign_in(&email, password).await
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
