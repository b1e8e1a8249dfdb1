//! Buyers and watchers who go on while the platform is changed.
//!
//! All of them come through the gateway's Service and keep their connections, as browsers, box offices and proxies do. **A
//! request has failed** when its answer is not the good one: any 5xx or 4xx (these buyers do nothing wrong), over gRPC and
//! gRPC-Web any status but OK, a connection that is refused, and one that breaks before the answer is whole. It has not when
//! the client's library found out before it was sent that the connection is at its end, as the server had announced
//! (`connection: close`, GOAWAY), and took another one: libraries of HTTP and gRPC do that by themselves (gRFC A6, transparent
//! retries; RFC 9113, section 6.8).
//!
//! A watch may end when what serves it ends, and says so: the stream ends as a whole, or with UNAVAILABLE. Opening it again
//! from the last change that was seen must work at once, and the numbers of changes never go back.

mod grpc;
mod grpc_web;
mod rest;
mod watch;

use std::{error::Error, time::Duration};

use moviebooking_domain::clock::{Clock as _, SystemClock};
use moviebooking_tests::Load;
use serde_json::Value;

use crate::shared::Shared;

/// How long a buyer thinks before the next booking: the machine has to roll out pods meanwhile.
const THINKING: Duration = Duration::from_millis(300);
/// The accounts that they have.
const CUSTOMERS: usize = 20;
/// Free seats of the showtimes that they choose: none is sold out while they are here.
const FREE_SEATS: u64 = 70;

/// Who books, where and what.
struct Buyer {
    base: String,
    token: String,
    showtime: String,
}

/// Some who book one after another, at all showtimes in turn: nobody may have more than ten seats of one.
struct Buyers {
    base: String,
    tokens: Vec<String>,
    showtimes: Vec<String>,
}

impl Buyers {
    /// The buyer of a booking.
    fn buyer(&self, number: usize) -> Buyer {
        let round = number / self.showtimes.len();
        Buyer {
            base: self.base.clone(),
            token: self.tokens[round % self.tokens.len()].clone(),
            showtime: self.showtimes[number % self.showtimes.len()].clone(),
        }
    }
}

/// Buyers over REST, gRPC and gRPC-Web, somebody who signs in again and again, and watchers of a showtime in which seats are
/// held and let go.
pub(crate) async fn crowd(cinema: &mut Shared) -> Load {
    let mut tokens = cinema.sign_in(CUSTOMERS).await;
    let system = &cinema.system;
    let visitor = system.rest();
    let mut ids = Vec::new();
    for id in system.showtimes().await {
        let seats = visitor.get(&format!("/showtimes/{id}/seats")).await.ok();
        if seats["freeCount"].as_u64().is_some_and(|free| free >= FREE_SEATS) {
            ids.push(id);
        }
    }
    let watched = ids.pop().expect("showtimes");
    let base = format!("http://{}", system.address);
    let mut buyers = Vec::new();
    for _ in 0..5 {
        let of_one = tokens.split_off(tokens.len() - CUSTOMERS / 5);
        buyers.push(Buyers { base: base.clone(), tokens: of_one, showtimes: ids.clone() });
        // Not all at the same showtime.
        let part = ids.len() / 5;
        ids.rotate_left(part);
    }
    let [first, second, third, fourth, mut changer] =
        <[Buyers; 5]>::try_from(buyers).ok().expect("five times buyers");
    changer.showtimes = vec![watched.clone()];
    let mut load = Load::new();
    rest::buys(&mut load, first);
    rest::buys(&mut load, second);
    grpc::buys(&mut load, third);
    grpc_web::buys(&mut load, fourth);
    rest::signs_in(&mut load, base.clone(), system.accounts.customer.clone());
    rest::holds_and_lets_go(&mut load, changer);
    watch::over_rest(&mut load, base.clone(), watched.clone());
    watch::over_grpc(&mut load, &base, watched);
    load
}

/// Pauses, and gives what a client says went wrong with the time, by which the logs of pods tell more.
async fn paced(what: &str, asked: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::sleep(THINKING).await;
    asked.await.map_err(|failure| format!("{} {what}: {failure}", SystemClock.now()))
}

/// An error with its causes.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The text of a field.
fn text(value: &Value, field: &str) -> Result<String, String> {
    value[field].as_str().map(str::to_owned).ok_or_else(|| format!("no {field} in {value}"))
}
