//! Over REST, with HTTP/1.1 connections that are kept.

use moviebooking_standalone::Account;
use moviebooking_tests::{Load, key};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Buyer, Buyers, paced, text, told};

/// Somebody who holds a seat, pays, and looks at the ticket.
pub(super) fn buys(load: &mut Load, buyers: Buyers) {
    let client = Client::new();
    load.client(move |number| {
        let (client, buyer) = (client.clone(), buyers.buyer(number));
        paced("over REST", async move { book(&client, &buyer).await.map(drop) })
    });
}

async fn book(client: &Client, buyer: &Buyer) -> Result<Value, String> {
    let hold = hold(client, buyer).await?;
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let payment = asked(post(client, buyer, "/payments/charge").json(&charge)).await?;
    let ticket = payment["ticketIds"][0].as_str().ok_or_else(|| format!("no ticket: {payment}"))?;
    asked(signed_in(client, buyer, Method::GET, &format!("/tickets/{ticket}"))).await
}

async fn hold(client: &Client, buyer: &Buyer) -> Result<Value, String> {
    let wanted = json!({"showtimeId": buyer.showtime, "bestAvailable": {"count": 1}});
    asked(post(client, buyer, "/reservations").json(&wanted)).await
}

/// Somebody who holds a seat and lets it go, again and again: who watches the showtime sees that.
pub(super) fn holds_and_lets_go(load: &mut Load, buyers: Buyers) {
    let client = Client::new();
    load.client(move |number| {
        let (client, buyer) = (client.clone(), buyers.buyer(number));
        paced("over REST", async move {
            let held = hold(&client, &buyer).await?;
            let path = format!("/reservations/{}", text(&held, "id")?);
            asked(signed_in(&client, &buyer, Method::DELETE, &path)).await.map(drop)
        })
    });
}

/// Somebody who signs in, looks at the catalogue and at the account.
pub(super) fn signs_in(load: &mut Load, base: String, account: Account) {
    let client = Client::new();
    load.client(move |_| {
        let (client, base, account) = (client.clone(), base.clone(), account.clone());
        paced("signing in", async move {
            let credentials = json!({"email": account.email, "password": account.password});
            let session = asked(client.post(format!("{base}/users/login")).json(&credentials)).await?;
            let visitor = Buyer { base, token: text(&session, "accessToken")?, showtime: String::new() };
            for path in ["/users/me", "/movies?pageSize=5", "/theaters", "/reservations"] {
                asked(signed_in(&client, &visitor, Method::GET, path)).await?;
            }
            Ok(())
        })
    });
}

fn post(client: &Client, buyer: &Buyer, path: &str) -> RequestBuilder {
    signed_in(client, buyer, Method::POST, path).header("idempotency-key", key())
}

fn signed_in(client: &Client, buyer: &Buyer, method: Method, path: &str) -> RequestBuilder {
    client.request(method, format!("{}{path}", buyer.base)).bearer_auth(&buyer.token)
}

/// The JSON of a good answer.
async fn asked(request: RequestBuilder) -> Result<Value, String> {
    let (client, request) = request.build_split();
    let request = request.map_err(|error| told(&error))?;
    let what = format!("{} {}", request.method(), request.url().path());
    let answer = client.execute(request).await.map_err(|error| format!("{what}: {}", told(&error)))?;
    let status = answer.status();
    let body = answer.text().await.map_err(|error| format!("{what}: {status}: {}", told(&error)))?;
    if !status.is_success() {
        return Err(format!("{what}: {status}: {body}"));
    }
    serde_json::from_str(&body).map_err(|error| format!("{what}: {error}: {body}"))
}
