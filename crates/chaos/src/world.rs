//! The cinema in which the campaign books: one theater, halls that are all the same, one movie, many showtimes.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use moviebooking_domain::clock::{Clock as _, SystemClock};
use rand::{RngExt as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    ask::{Desk, Grpc, Rest},
    buyer::Buyer,
};

/// Rows of a hall, and seats in each.
const ROWS: usize = 15;
const SEATS: usize = 20;
/// Showtimes of one hall: they must not overlap.
const SHOWTIMES_IN_HALL: usize = 8;
/// Who buys. As many may register from one address in a quarter of an hour.
const BUYERS: usize = 48;
/// How many of a hundred bookings want the hot showtime.
const HOT: f64 = 0.15;
/// Of so many showtimes one is cancelled.
const CANCELLED_OF: usize = 10;
/// The most seats of one booking.
const MOST_SEATS: i32 = 4;
/// The hours of a day, as many as a hall has showtimes.
const STARTS: [&str; SHOWTIMES_IN_HALL] = ["00", "03", "06", "09", "12", "15", "18", "21"];

/// The cinema, its buyers and its door.
pub(crate) struct World {
    pub(crate) desk: Desk,
    admin: Arc<Buyer>,
    buyers: Vec<Arc<Buyer>>,
    /// The first is the hot one.
    showtimes: Vec<String>,
}

impl World {
    /// Makes a cinema with room for this many bookings.
    pub(crate) async fn make(
        gateway: SocketAddr,
        admin: (&str, &Path),
        bookings: u64,
    ) -> anyhow::Result<Self> {
        let rest = Rest::new(gateway);
        let password = std::fs::read_to_string(admin.1).context("cannot read the admin's password")?;
        let admin = Arc::new(Buyer::new(admin.0.to_owned(), password.trim().to_owned()));
        if !admin.sign_in(&rest).await {
            bail!("the admin cannot sign in");
        }
        let maker = Maker { rest: rest.clone(), token: admin.token() };
        let showtimes = maker.showtimes(bookings).await?;
        let buyers = maker.buyers().await?;
        Ok(Self { desk: Desk::new(rest, Grpc::new(gateway)?), admin, buyers, showtimes })
    }

    pub(crate) fn admin(&self) -> Arc<Buyer> {
        Arc::clone(&self.admin)
    }

    pub(crate) fn any_buyer(&self, dice: &mut StdRng) -> Arc<Buyer> {
        Arc::clone(&self.buyers[dice.random_range(0..self.buyers.len())])
    }

    /// The showtimes that are cancelled while the campaign lasts.
    pub(crate) fn to_be_cancelled(&self) -> &[String] {
        let count = (self.showtimes.len() / CANCELLED_OF).max(1);
        &self.showtimes[self.showtimes.len() - count..]
    }

    /// A showtime that is not hot, and two seats of it that leave no single seat between them and others.
    pub(crate) fn any_pair(&self, dice: &mut StdRng) -> (String, Vec<String>) {
        let showtime = self.showtimes[dice.random_range(1..self.showtimes.len())].clone();
        (showtime, pair(dice))
    }

    /// A showtime, and seats by their labels or how many of any. Named are two that leave no single seat between them
    /// and others.
    pub(crate) fn any_seats(&self, dice: &mut StdRng) -> (String, Vec<String>, i32) {
        let hot = dice.random_bool(HOT);
        let index = if hot { 0 } else { dice.random_range(1..self.showtimes.len()) };
        let showtime = self.showtimes[index].clone();
        if !dice.random_bool(if hot { 0.7 } else { 0.1 }) {
            return (showtime, Vec::new(), dice.random_range(1..=MOST_SEATS));
        }
        (showtime, pair(dice), 2)
    }
}

fn pair(dice: &mut StdRng) -> Vec<String> {
    let (row, pair) = (dice.random_range(0..ROWS), dice.random_range(0..SEATS / 2));
    vec![label(row, 2 * pair), label(row, 2 * pair + 1)]
}

/// The date in UTC.
fn day_after_tomorrow() -> anyhow::Result<String> {
    let day = SystemClock.now().checked_add(Duration::from_secs(48 * 3600))?.to_string();
    Ok(day.split('T').next().unwrap_or_default().to_owned())
}

fn label(row: usize, seat: usize) -> String {
    format!("{}{}", row_label(row), seat + 1)
}

fn row_label(row: usize) -> char {
    char::from(b'A' + u8::try_from(row).unwrap_or(25))
}

/// Makes the cinema, as an admin.
struct Maker {
    rest: Rest,
    token: String,
}

impl Maker {
    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let key = Uuid::new_v4().to_string();
        let (status, whole) =
            self.rest.send(Method::POST, path, Some(&key), Some(&self.token), Some(&body)).await?;
        if !status.is_success() {
            bail!("POST {path}: {status} {}", String::from_utf8_lossy(&whole));
        }
        Ok(serde_json::from_slice(&whole)?)
    }

    async fn made(&self, path: &str, body: Value) -> anyhow::Result<String> {
        let made = self.post(path, body).await?;
        made["id"].as_str().map(str::to_owned).with_context(|| format!("POST {path} answered without an id"))
    }

    async fn showtimes(&self, bookings: u64) -> anyhow::Result<Vec<String>> {
        let address =
            json!({"lines": ["Teststraße 1"], "postalCode": "10115", "city": "Berlin", "countryCode": "DE"});
        // Buyers may return tickets until an hour before, for a tenth of the price and half a euro.
        let policy = json!({"untilMinutesBeforeStart": 60, "feeBasisPoints": 1000, "feeMinor": "50"});
        let theater = self
            .made("/theaters", json!({"displayName": "Cinema", "timeZone": "UTC", "currencyCode": "EUR", "address": address, "refundPolicy": policy}))
            .await?;
        let movie = self.made("/movies", json!({"title": "The Campaign", "runningTimeMinutes": 90})).await?;
        let wanted = usize::try_from(bookings * 4 / (ROWS * SEATS) as u64)? + 4;
        let day = day_after_tomorrow()?;
        let mut showtimes = Vec::new();
        for hall in 1.. {
            let hall = self.hall(&theater, hall).await?;
            for start in STARTS {
                let showtime = json!({
                    "movieId": movie,
                    "hallId": hall,
                    "startTime": format!("{day}T{start}:00:00Z"),
                    "prices": [{"category": "standard", "price": {"amountMinor": "1250", "currencyCode": "EUR"}}],
                });
                showtimes.push(self.made("/showtimes", showtime).await?);
                if showtimes.len() == wanted {
                    return Ok(showtimes);
                }
            }
        }
        Ok(showtimes)
    }

    async fn hall(&self, theater: &str, number: usize) -> anyhow::Result<String> {
        let hall = json!({"displayName": format!("Hall {number}"), "cleaningMinutes": 10});
        let hall = self.made(&format!("/theaters/{theater}/halls"), hall).await?;
        let rows: Vec<Value> = (0..ROWS)
            .map(|row| {
                let seat = |seat| json!({"label": label(row, seat), "category": "standard", "kind": "STANDARD", "x": 100 * seat, "y": 120 * row});
                json!({"label": row_label(row), "seats": (0..SEATS).map(seat).collect::<Vec<_>>()})
            })
            .collect();
        let layout = json!({
            "displayName": "Opening layout",
            "categories": [{"name": "standard", "color": "#3b82f6"}],
            "rows": rows,
        });
        self.post(&format!("/halls/{hall}/layouts"), layout).await?;
        Ok(hall)
    }

    async fn buyers(&self) -> anyhow::Result<Vec<Arc<Buyer>>> {
        let mut buyers = Vec::new();
        for _ in 0..BUYERS {
            let (email, password) =
                (format!("{}@buyers.example", Uuid::new_v4()), Uuid::new_v4().to_string());
            self.post(
                "/users/register",
                json!({"email": email, "password": password, "displayName": "A Buyer"}),
            )
            .await?;
            let buyer = Buyer::new(email, password);
            if !buyer.sign_in(&self.rest).await {
                bail!("a buyer cannot sign in");
            }
            buyers.push(Arc::new(buyer));
        }
        Ok(buyers)
    }
}
