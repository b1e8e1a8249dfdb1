//! The bank over HTTP: JSON for the merchant, pages for buyers.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use uuid::Uuid;

use crate::{
    Bank,
    bank::Unanswered,
    ledger::Operation,
    page,
    wire::{Answer, Capture, NewPayment, NewRefund, TransactionQuery},
};

/// The largest body that is read.
const MOST_BYTES: usize = 16 * 1024;

/// Everything that the bank answers: `/v1` for the merchant, and the [pages].
pub fn router(bank: &Bank) -> Router {
    let merchant = Router::new()
        .route("/v1/payments", post(authorise))
        .route("/v1/payments/{id}/capture", post(capture))
        .route("/v1/payments/{id}/void", post(void))
        .route("/v1/payments/{id}/refunds", post(refund))
        .route("/v1/payments/{id}/operations/{operation}", get(look_up))
        .route("/v1/transactions", get(transactions))
        .layer(from_fn_with_state(bank.clone(), check_secret))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(bank.clone());
    merchant.merge(pages(bank))
}

/// The pages on which buyers confirm payments: `/confirm/…`.
pub fn pages(bank: &Bank) -> Router {
    Router::new()
        .route("/confirm/{payment}/{secret}", get(page::show).post(page::decide))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(bank.clone())
}

async fn check_secret(State(bank): State<Bank>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    if bank.settings.secret.is_shown(shown) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "show the bank's secret: Authorization: Bearer …\n").into_response()
}

async fn authorise(State(bank): State<Bank>, Json(new): Json<NewPayment>) -> Response {
    respond(bank.authorise(&new).await)
}

async fn capture(State(bank): State<Bank>, Path(id): Path<Uuid>, Json(new): Json<Capture>) -> Response {
    respond(bank.capture(id, new.amount).await)
}

async fn void(State(bank): State<Bank>, Path(id): Path<Uuid>) -> Response {
    respond(bank.void(id).await)
}

async fn refund(State(bank): State<Bank>, Path(id): Path<Uuid>, Json(new): Json<NewRefund>) -> Response {
    respond(bank.refund(id, new.id, new.amount).await)
}

async fn look_up(State(bank): State<Bank>, Path((id, operation)): Path<(Uuid, String)>) -> Response {
    match Operation::parse(&operation) {
        Some(operation) => respond(bank.look_up(id, operation).await),
        None => (StatusCode::NOT_FOUND, "no such operation\n").into_response(),
    }
}

async fn transactions(State(bank): State<Bank>, Query(query): Query<TransactionQuery>) -> Response {
    match bank.transactions(&query).await {
        Ok(page) => Json(page).into_response(),
        Err(error) => respond(Err(error.into())),
    }
}

fn respond(answer: Result<Answer, Unanswered>) -> Response {
    match answer {
        Ok(answer) => {
            let status = match &answer {
                Answer::Declined { .. } => StatusCode::PAYMENT_REQUIRED,
                Answer::UnknownToken => StatusCode::UNPROCESSABLE_ENTITY,
                Answer::Done | Answer::ActionRequired { .. } | Answer::Nothing => StatusCode::OK,
            };
            (status, Json(answer)).into_response()
        }
        Err(Unanswered::Lost) => (StatusCode::GATEWAY_TIMEOUT, "no reply in time\n").into_response(),
        Err(Unanswered::Down) => (StatusCode::SERVICE_UNAVAILABLE, "the bank is down\n").into_response(),
        Err(Unanswered::Store(error)) => {
            tracing::warn!(error = error.chain(), "the bank's database fails");
            (StatusCode::SERVICE_UNAVAILABLE, "the bank's database fails\n").into_response()
        }
    }
}
