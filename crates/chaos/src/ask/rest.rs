//! Over REST.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{Order, Request, Tried, is_in_flight};
use crate::answers::Reply;

/// How long the bank's page may take.
const PAGE: Duration = Duration::from_secs(5);

/// A client of the gateway's REST interface.
#[derive(Clone)]
pub(crate) struct Rest {
    client: Client,
    base: String,
}

impl Rest {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        Self { client: Client::new(), base: format!("http://{gateway}") }
    }

    /// One answer to a request that has a body where one is given, and signed in with a token where one is given.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> reqwest::Result<(StatusCode, Vec<u8>)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, answer.bytes().await?.to_vec()))
    }

    /// Decides on the bank's page whether to pay, and says whether it is decided.
    pub(super) async fn decide(&self, page: &str, decision: &str) -> bool {
        let answer = self.client.post(page).form(&[("decision", decision)]).timeout(PAGE).send().await;
        answer.is_ok_and(|answer| answer.status().is_success() || answer.status() == StatusCode::GONE)
    }

    pub(super) async fn try_once(&self, request: &Request) -> Tried {
        let (method, path, body) = route(&request.order);
        let token = request.buyer.token();
        match self.send(method, &path, Some(&request.key), Some(&token), body.as_ref()).await {
            Ok((status, whole)) => read(status, whole),
            Err(error) if error.is_connect() => Tried::Again("no connection".to_owned()),
            Err(_broken) => Tried::Again("connection lost".to_owned()),
        }
    }
}

fn route(order: &Order) -> (Method, String, Option<Value>) {
    match order {
        Order::Hold { showtime, seats, .. } if !seats.is_empty() => {
            (Method::POST, "/reservations".to_owned(), Some(json!({"showtimeId": showtime, "seats": seats})))
        }
        Order::Hold { showtime, count, .. } => {
            let body = json!({"showtimeId": showtime, "bestAvailable": {"count": count}});
            (Method::POST, "/reservations".to_owned(), Some(body))
        }
        Order::Charge { reservation, total, token, .. } => {
            let body = json!({"reservationId": reservation, "amount": money(total), "paymentToken": token});
            (Method::POST, "/payments/charge".to_owned(), Some(body))
        }
        Order::Release { reservation } => (Method::DELETE, format!("/reservations/{reservation}"), None),
        Order::Refund { payment, tickets } => {
            let body = if tickets.is_empty() { json!({}) } else { json!({"ticketIds": tickets}) };
            (Method::POST, format!("/payments/{payment}/refund"), Some(body))
        }
        Order::Exchange { payment, tickets, reservation, total, token, .. } => {
            let mut body = json!({"ticketIds": tickets, "reservationId": reservation});
            if total.0 > 0 {
                body["amount"] = money(total);
                body["paymentToken"] = json!(token);
            }
            (Method::POST, format!("/payments/{payment}/exchange"), Some(body))
        }
        Order::Cancel { showtime } => {
            (Method::POST, format!("/showtimes/{showtime}/cancel"), Some(json!({"reason": "no projector"})))
        }
    }
}

fn money((minor, currency): &(i64, String)) -> Value {
    json!({"amountMinor": minor.to_string(), "currencyCode": currency})
}

fn read(status: StatusCode, whole: Vec<u8>) -> Tried {
    let body: Value = serde_json::from_slice(&whole).unwrap_or(Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reason = text(&body["reason"]);
    match status {
        StatusCode::UNAUTHORIZED => return Tried::SignInAgain,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            return Tried::Again(format!("{} {reason}", status.as_u16()));
        }
        _ if status.is_server_error() || is_in_flight(&reason) => {
            return Tried::Again(format!("{} {reason}", status.as_u16()));
        }
        _ => {}
    }
    if body["state"] == "ACTION_REQUIRED" {
        return Tried::Confirm(text(&body["buyerAction"]["url"]));
    }
    let amount = if body["total"].is_object() { &body["total"] } else { &body["amount"] };
    let minor = amount["amountMinor"].as_str().and_then(|minor| minor.parse().ok()).unwrap_or_default();
    let tickets = body["ticketIds"].as_array().into_iter().flatten().map(text).collect();
    Tried::Final(Reply {
        ok: status.is_success(),
        reason,
        id: text(if status.is_success() { &body["id"] } else { &body["metadata"]["payment_id"] }),
        state: text(&body["state"]),
        total: (minor, text(&amount["currencyCode"])),
        tickets,
        whole,
    })
}
