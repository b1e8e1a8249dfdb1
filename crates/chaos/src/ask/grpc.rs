//! Over gRPC, with the generated clients.

use std::{collections::BTreeMap, net::SocketAddr};

use moviebooking_proto::{
    money::v1::Money,
    movies::v1::{CancelShowtimeRequest, Showtime, movies_service_client::MoviesServiceClient},
    payments::v1::{
        ChargeRequest, ExchangeRequest, Payment, PaymentState, RefundRequest,
        payments_service_client::PaymentsServiceClient,
    },
    problem::reason_of,
    reservations::v1::{
        BestAvailable, CreateReservationRequest, ReleaseReservationRequest, Reservation,
        reservations_service_client::ReservationsServiceClient,
    },
};
use prost::Message as _;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::{Order, Request, Tried, is_in_flight};
use crate::answers::Reply;

/// Clients of the gateway's gRPC interface.
#[derive(Clone)]
pub(crate) struct Grpc {
    reservations: ReservationsServiceClient<Channel>,
    payments: PaymentsServiceClient<Channel>,
    movies: MoviesServiceClient<Channel>,
}

impl Grpc {
    /// Connects when it is needed, and again whenever the connection is lost.
    pub(crate) fn new(gateway: SocketAddr) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{gateway}"))?.connect_lazy();
        Ok(Self {
            reservations: ReservationsServiceClient::new(channel.clone()),
            payments: PaymentsServiceClient::new(channel.clone()),
            movies: MoviesServiceClient::new(channel),
        })
    }

    pub(super) async fn try_once(&self, request: &Request) -> Tried {
        let answer = match signed(request) {
            Ok(Call::Hold(call)) => self.reservations.clone().create_reservation(call).await.map(reservation),
            Ok(Call::Release(call)) => {
                self.reservations.clone().release_reservation(call).await.map(reservation)
            }
            Ok(Call::Charge(call)) => self.payments.clone().charge(call).await.map(payment),
            Ok(Call::Refund(call)) => self.payments.clone().refund(call).await.map(payment),
            Ok(Call::Exchange(call)) => self.payments.clone().exchange(call).await.map(payment),
            Ok(Call::Cancel(call)) => self.movies.clone().cancel_showtime(call).await.map(showtime),
            Err(error) => return Tried::Again(error),
        };
        answer.unwrap_or_else(refused)
    }
}

enum Call {
    Hold(tonic::Request<CreateReservationRequest>),
    Release(tonic::Request<ReleaseReservationRequest>),
    Charge(tonic::Request<ChargeRequest>),
    Refund(tonic::Request<RefundRequest>),
    Exchange(tonic::Request<ExchangeRequest>),
    Cancel(tonic::Request<CancelShowtimeRequest>),
}

fn signed(request: &Request) -> Result<Call, String> {
    let request_id = request.key.clone();
    let token = request.buyer.token();
    Ok(match request.order.clone() {
        Order::Hold { showtime, seats, count } => {
            let best_available = BestAvailable { count, ..Default::default() };
            Call::Hold(with(
                &token,
                CreateReservationRequest {
                    showtime_id: showtime,
                    best_available: seats.is_empty().then_some(best_available),
                    seats,
                    request_id,
                },
            )?)
        }
        Order::Release { reservation } => {
            Call::Release(with(&token, ReleaseReservationRequest { id: reservation, request_id })?)
        }
        Order::Charge { reservation, total, token: payment_token, .. } => Call::Charge(with(
            &token,
            ChargeRequest {
                reservation_id: reservation,
                amount: Some(money(total)),
                payment_token: payment_token.to_owned(),
                request_id,
            },
        )?),
        Order::Refund { payment, tickets } => Call::Refund(with(
            &token,
            RefundRequest { payment_id: payment, ticket_ids: tickets, request_id, ..Default::default() },
        )?),
        Order::Exchange { payment, tickets, reservation, total, token: payment_token, .. } => {
            let paid = total.0 > 0;
            Call::Exchange(with(
                &token,
                ExchangeRequest {
                    payment_id: payment,
                    ticket_ids: tickets,
                    reservation_id: reservation,
                    amount: paid.then(|| money(total)),
                    payment_token: if paid { payment_token.to_owned() } else { String::new() },
                    request_id,
                },
            )?)
        }
        Order::Cancel { showtime } => Call::Cancel(with(
            &token,
            CancelShowtimeRequest { id: showtime, reason: "no projector".to_owned(), request_id },
        )?),
    })
}

fn money((amount_minor, currency_code): (i64, String)) -> Money {
    Money { amount_minor, currency_code }
}

fn with<M>(token: &str, message: M) -> Result<tonic::Request<M>, String> {
    let mut call = tonic::Request::new(message);
    let value = format!("Bearer {token}").parse().map_err(|_malformed| "no token".to_owned())?;
    call.metadata_mut().insert("authorization", value);
    Ok(call)
}

fn reservation(answer: tonic::Response<Reservation>) -> Tried {
    let answer = answer.into_inner();
    let total = answer.total.clone().unwrap_or_default();
    Tried::Final(Reply {
        ok: true,
        state: answer.state().as_str_name().to_owned(),
        total: (total.amount_minor, total.currency_code),
        whole: answer.encode_to_vec(),
        id: answer.id,
        ..Reply::default()
    })
}

fn payment(answer: tonic::Response<Payment>) -> Tried {
    let answer = answer.into_inner();
    if answer.state() == PaymentState::ActionRequired {
        return Tried::Confirm(answer.buyer_action.unwrap_or_default().url);
    }
    let amount = answer.amount.clone().unwrap_or_default();
    Tried::Final(Reply {
        ok: true,
        state: answer.state().as_str_name().to_owned(),
        total: (amount.amount_minor, amount.currency_code),
        whole: answer.encode_to_vec(),
        tickets: answer.ticket_ids,
        id: answer.id,
        ..Reply::default()
    })
}

fn showtime(answer: tonic::Response<Showtime>) -> Tried {
    let answer = answer.into_inner();
    Tried::Final(Reply { ok: true, whole: answer.encode_to_vec(), id: answer.id, ..Reply::default() })
}

fn refused(status: Status) -> Tried {
    let reason = reason_of(&status).map(|reason| reason.name()).unwrap_or_default().to_owned();
    match status.code() {
        Code::Unauthenticated => Tried::SignInAgain,
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::Aborted
        | Code::ResourceExhausted => Tried::Again(format!("{:?} {reason}", status.code())),
        _ if is_in_flight(&reason) => Tried::Again(format!("{:?} {reason}", status.code())),
        _ => Tried::Final(Reply { reason, whole: meaning(&status).into_bytes(), ..Reply::default() }),
    }
}

/// What a refusal says. Its bytes are no measure: the metadata come in any order.
fn meaning(status: &Status) -> String {
    let info = status.get_details_error_info();
    let metadata: BTreeMap<String, String> = info.into_iter().flat_map(|info| info.metadata).collect();
    format!("{} {metadata:?}", status.message())
}
