//! What is measured: the platform's processes on a PostgreSQL of their own, a cinema in them, and its buyers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use http::{HeaderValue, Method};
use moviebooking_launch::{Durability, GATEWAY, Platform, PrivatePostgres, SandboxBank};
use serde_json::{Value, json};

use crate::{
    connection::{Connection, Protocol, rest},
    places::{Places, ROWS, TRIPLES, label},
};

/// Access tokens are valid for 15 minutes; a run must not outlive one.
const SIGNED_IN: Duration = Duration::from_secs(7 * 60);
/// How many buyers there are: as many as want the seats of a hot showtime, each of whom may have ten.
const BUYERS: usize = 64;
/// Buyers sign in with the password of the account that theirs are copies of.
const PASSWORD: &str = "a long enough password for a benchmark";

/// The platform and who uses it.
pub(crate) struct World {
    pub(crate) platform: Platform,
    /// Where the programs are.
    pub(crate) programs: PathBuf,
    /// For what a scenario needs on disk.
    pub(crate) folder: PathBuf,
    /// The showtime that all others are copies of.
    showtime: String,
    buyers: Vec<Buyer>,
    signed_in: Instant,
}

/// Somebody who is signed in.
pub(crate) struct Buyer {
    pub(crate) id: String,
    /// `Bearer` and the access token.
    pub(crate) authorization: HeaderValue,
}

impl World {
    /// Starts the processes and makes a hall of 300 seats, a movie, a showtime and the buyers.
    pub(crate) async fn start(programs: &Path, folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let postgres = PrivatePostgres::start_with(Durability::Machine)?;
        postgres.create_databases(["pgbench"])?;
        let platform = Platform::start_on(postgres, SandboxBank::Embedded, &[], programs, folder)?;
        let mut world = Self {
            platform,
            programs: programs.to_owned(),
            folder: folder.canonicalize()?,
            showtime: String::new(),
            buyers: Vec::new(),
            signed_in: Instant::now(),
        };
        world.showtime = world.make_showtime().await?;
        world.make_buyers().await?;
        Ok(world)
    }

    /// The buyers, whose tokens are good for a run.
    pub(crate) async fn buyers(&mut self) -> anyhow::Result<&[Buyer]> {
        if self.signed_in.elapsed() > SIGNED_IN {
            self.sign_in().await?;
        }
        Ok(&self.buyers)
    }

    /// The buyers of [`buyers`](Self::buyers), when they were asked for a moment ago.
    pub(crate) fn signed_in(&self) -> &[Buyer] {
        &self.buyers
    }

    /// Where requests of a protocol go: gRPC to the service called `service`, REST to the gateway.
    pub(crate) fn address(&self, protocol: Protocol, service: &str) -> std::net::SocketAddr {
        self.platform.address(match protocol {
            Protocol::Grpc => service,
            Protocol::Rest => GATEWAY,
        })
    }

    /// Showtimes with all of their seats free, which are copies of the one that was made by request.
    pub(crate) fn places(&self, count: usize) -> anyhow::Result<Places> {
        let made = self.platform.postgres().query(
            "movies",
            &format!(
                "WITH new AS MATERIALIZED (
                     SELECT gen_random_uuid() AS id FROM generate_series(1, {count})
                 ), made AS (
                     INSERT INTO showtimes SELECT copy.* FROM showtimes AS first, new,
                         LATERAL jsonb_populate_record(first, jsonb_build_object('id', new.id)) AS copy
                     WHERE first.id = '{id}' RETURNING id
                 ), priced AS (
                     INSERT INTO showtime_prices SELECT copy.* FROM showtime_prices AS first, made,
                         LATERAL jsonb_populate_record(first, jsonb_build_object('showtime_id', made.id)) AS copy
                     WHERE first.showtime_id = '{id}'
                 ) SELECT id FROM made",
                id = self.showtime
            ),
        )?;
        let showtimes: Vec<String> = made.lines().map(str::to_owned).collect();
        ensure!(showtimes.len() == count, "the showtimes were not made");
        Ok(Places::new(showtimes))
    }

    /// Puts what is written on disk, so that no run pays for the one before it.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        self.platform.postgres().query("postgres", "CHECKPOINT").map(drop)
    }

    async fn make_showtime(&self) -> anyhow::Result<String> {
        let admin = self.platform.create_admin()?;
        let password = fs::read_to_string(&admin.password_file)?;
        let session =
            self.post("/users/login", None, json!({ "email": admin.email, "password": password })).await?;
        let token = authorization(&session)?;
        let post = async |path: &str, body: Value| self.post(path, Some(&token), body).await;
        let theater = post(
            "/theaters",
            json!({ "displayName": "Benchmark", "timeZone": "Europe/Berlin", "currencyCode": "EUR",
                    "address": { "lines": ["Here 1"], "postalCode": "10999", "city": "Berlin", "countryCode": "DE" } }),
        )
        .await?;
        let halls = format!("/theaters/{}/halls", text(&theater, "id")?);
        let hall = post(&halls, json!({ "displayName": "One" })).await?;
        let hall = text(&hall, "id")?;
        post(&format!("/halls/{hall}/layouts"), layout()).await?;
        let movie = post("/movies", json!({ "title": "Benchmark", "runningTimeMinutes": 90 })).await?;
        let tomorrow = self.platform.postgres().query(
            "postgres",
            "SELECT to_char(now() + interval '1 day', 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')",
        )?;
        let showtime = json!({
            "movieId": text(&movie, "id")?, "hallId": hall, "startTime": tomorrow.trim(),
            "prices": [{ "category": "standard", "price": { "amountMinor": "1200", "currencyCode": "EUR" } }],
        });
        Ok(text(&post("/showtimes", showtime).await?, "id")?.to_owned())
    }

    /// Makes one account by request and the others as copies of it, because registrations are limited.
    async fn make_buyers(&mut self) -> anyhow::Result<()> {
        let account = json!({ "email": email(0), "password": PASSWORD, "displayName": "Buyer" });
        self.post("/users/register", None, account).await?;
        self.platform.postgres().query(
            "users",
            &format!(
                "INSERT INTO users SELECT copy.* FROM users AS first, generate_series(1, {last}) AS number,
                     LATERAL jsonb_populate_record(first, jsonb_build_object('id', gen_random_uuid(),
                         'email', 'buyer' || number || '@example.com',
                         'email_folded', 'buyer' || number || '@example.com')) AS copy
                 WHERE first.email_folded = '{first}'",
                last = BUYERS - 1,
                first = email(0)
            ),
        )?;
        self.sign_in().await
    }

    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let mut buyers = Vec::with_capacity(BUYERS);
        for number in 0..BUYERS {
            let session = self
                .post("/users/login", None, json!({ "email": email(number), "password": PASSWORD }))
                .await?;
            let id = text(&session["user"], "id")?.to_owned();
            buyers.push(Buyer { id, authorization: authorization(&session)? });
        }
        self.buyers = buyers;
        self.signed_in = Instant::now();
        Ok(())
    }

    async fn post(
        &self,
        path: &str,
        authorization: Option<&HeaderValue>,
        body: Value,
    ) -> anyhow::Result<Value> {
        let mut connection = Connection::open(self.platform.address(GATEWAY), Protocol::Rest).await?;
        let key = uuid::Uuid::new_v4().to_string();
        let request = rest(Method::POST, path, authorization, Some(&key), Some(body.to_string()))?;
        let answer = connection.send(request).await?.done().with_context(|| format!("POST {path}"))?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// A member of a JSON object that is a text.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name].as_str().with_context(|| format!("the answer has no {name}"))
}

fn email(number: usize) -> String {
    format!("buyer{number}@example.com")
}

fn authorization(session: &Value) -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::try_from(format!("Bearer {}", text(session, "accessToken")?))?)
}

fn layout() -> Value {
    let rows: Vec<Value> = (0..ROWS)
        .map(|row| {
            let seats: Vec<Value> = (1..=TRIPLES * 3)
                .map(|number| {
                    json!({ "label": label(row, number), "category": "standard", "kind": "STANDARD",
                            "x": number * 100, "y": row * 120 })
                })
                .collect();
            json!({ "label": label(row, 0).trim_end_matches('0'), "seats": seats })
        })
        .collect();
    json!({ "displayName": "Ten rows of thirty",
            "categories": [{ "name": "standard", "color": "#3b82f6" }], "rows": rows })
}
