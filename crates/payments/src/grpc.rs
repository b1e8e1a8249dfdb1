//! The gRPC interface: reads requests, calls, writes answers.

use moviebooking_auth::Caller;
use moviebooking_domain::{id::TicketId, money::Money};
use moviebooking_fields as fields;
use moviebooking_proto::{
    Problem,
    payments::v1::{
        self as wire, CancelPaymentRequest, ChargeRequest, CompensatePaymentRequest, ExchangeRequest,
        GetPaymentRequest, GetShowtimeRefundsRequest, ListPaymentsRequest, ListPaymentsResponse,
        PaymentState, ReceiveWebhookRequest, RefundRequest, RefundShowtimeRequest, ResumePaymentRequest,
        ShowtimeRefunds, WebhookReceipt, payments_internal_server::PaymentsInternal,
        payments_service_server::PaymentsService,
    },
};
use moviebooking_store::idempotency::Request as Keyed;
use prost::Message;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use crate::{
    Service,
    cancellation::{self, Progress},
    charge::NewCharge,
    exchange::NewExchange,
    payment::{Confirmation, Key, PastEvent, Payment},
    provider::Webhook,
    refund::{NewRefund, Sum, Terms},
    saga::State,
};

/// The longest payment token.
const LONGEST_TOKEN: usize = 255;
/// The longest reason for a refund, in characters.
const LONGEST_REASON: usize = 500;
/// The most tickets in one refund.
const MOST_TICKETS: usize = 10;

#[tonic::async_trait]
impl PaymentsService for Service {
    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<wire::Payment>, Status> {
        let caller = Caller::of(&request);
        let charge = read_charge(&caller, request.get_ref())?;
        let payment = self.charge(&caller, &charge).await.map_err(Problem::from)?;
        Ok(Response::new(to_wire(payment.shown_to(&caller), Vec::new())))
    }

    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        let caller = Caller::of(&request);
        let message = request.get_ref();
        let user = fields::optional_id("user_id", &message.user_id)?;
        let reservation = fields::optional_id("reservation_id", &message.reservation_id)?;
        let parked = if message.parked { "parked" } else { "" };
        let filters =
            [caller.key_scope(), message.user_id.clone(), message.reservation_id.clone(), parked.to_owned()];
        let filters = filters.each_ref().map(String::as_str);
        let page = fields::Page::parse(message.page_size, &message.page_token, "payments", &filters)?;
        let (payments, next_page_token) =
            self.list(&caller, &page, user, reservation, message.parked).await?;
        let payments = payments.into_iter().map(|payment| to_wire(payment, Vec::new())).collect();
        Ok(Response::new(ListPaymentsResponse { payments, next_page_token }))
    }

    async fn get_payment(
        &self,
        request: Request<GetPaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let caller = Caller::of(&request);
        let id = fields::id("id", &request.get_ref().id)?;
        let (payment, history) = self.get(&caller, id).await?;
        Ok(Response::new(to_wire(payment, history)))
    }

    async fn exchange(&self, request: Request<ExchangeRequest>) -> Result<Response<wire::Payment>, Status> {
        let caller = Caller::of(&request);
        let exchange = read_exchange(&caller, request.get_ref())?;
        let payment = self.exchange(&caller, &exchange).await.map_err(Problem::from)?;
        Ok(Response::new(to_wire(payment.shown_to(&caller), Vec::new())))
    }

    async fn get_showtime_refunds(
        &self,
        request: Request<GetShowtimeRefundsRequest>,
    ) -> Result<Response<ShowtimeRefunds>, Status> {
        let caller = Caller::of(&request);
        caller.user()?;
        let showtime = fields::id("showtime_id", &request.get_ref().showtime_id)?;
        let Progress { showtime, payments, waiting, under_way, refunded } =
            self.showtime_refunds(&caller, showtime).await?;
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(Response::new(ShowtimeRefunds {
            showtime_id: showtime.id.to_string(),
            done: showtime.state == cancellation::State::Done,
            payment_count: count(payments),
            refunded_count: count(payments.saturating_sub(waiting)),
            in_progress_count: count(under_way),
            refunded: refunded.map(fields::to_money),
            create_time: Some(fields::time::to_wire(showtime.created_at)),
            update_time: Some(fields::time::to_wire(showtime.updated_at)),
        }))
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<wire::Payment>, Status> {
        let caller = Caller::of(&request);
        let refund = read_refund(&caller, request.get_ref())?;
        let payment = self.refund(&caller, refund).await.map_err(Problem::from)?;
        Ok(Response::new(to_wire(payment.shown_to(&caller), Vec::new())))
    }

    async fn cancel_payment(
        &self,
        request: Request<CancelPaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let id = fields::id("payment_id", &request.get_ref().payment_id)?;
        let caller = Caller::of(&request);
        let payment = self.cancel(&caller, id).await?;
        Ok(Response::new(to_wire(payment.shown_to(&caller), Vec::new())))
    }

    async fn resume_payment(
        &self,
        request: Request<ResumePaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let id = fields::id("payment_id", &request.get_ref().payment_id)?;
        let payment = self.resume(&Caller::of(&request), id).await?;
        Ok(Response::new(to_wire(payment, Vec::new())))
    }

    async fn compensate_payment(
        &self,
        request: Request<CompensatePaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let id = fields::id("payment_id", &request.get_ref().payment_id)?;
        let payment = self.compensate(&Caller::of(&request), id).await?;
        Ok(Response::new(to_wire(payment, Vec::new())))
    }

    async fn receive_webhook(
        &self,
        request: Request<ReceiveWebhookRequest>,
    ) -> Result<Response<WebhookReceipt>, Status> {
        let headers = request.metadata().clone().into_headers();
        let message = request.into_inner();
        let body = message.body.unwrap_or_default().data;
        let webhook = Webhook { headers: &headers, body: &body, now: self.clock.now() };
        let outcome = self.receive(&message.provider, &webhook).await?;
        Ok(Response::new(WebhookReceipt { outcome: outcome.into() }))
    }
}

#[tonic::async_trait]
impl PaymentsInternal for Service {
    async fn refund_showtime(&self, request: Request<RefundShowtimeRequest>) -> Result<Response<()>, Status> {
        let message = request.get_ref();
        let showtime = fields::id("showtime_id", &message.showtime_id)?;
        let theater = fields::id("theater_id", &message.theater_id)?;
        self.refund_showtime(showtime, theater).await.map_err(Problem::from)?;
        Ok(Response::new(()))
    }
}

/// Reads a request to charge.
pub(crate) fn read_charge(caller: &Caller, message: &ChargeRequest) -> Result<NewCharge, Problem> {
    let key = key(caller, &message.request_id, "payments.Charge", message)?;
    Ok(NewCharge {
        reservation_id: fields::id("reservation_id", &message.reservation_id)?,
        amount: fields::money("amount", message.amount.as_ref())?,
        token: fields::text("payment_token", &message.payment_token, 1, LONGEST_TOKEN)?.into(),
        key,
    })
}

/// Reads a request to refund.
pub(crate) fn read_refund(caller: &Caller, message: &RefundRequest) -> Result<NewRefund, Problem> {
    let key = key(caller, &message.request_id, "payments.Refund", message)?;
    Ok(NewRefund {
        payment_id: fields::id("payment_id", &message.payment_id)?,
        sum: read_sum(message)?,
        terms: Terms::Buyer,
        reason: fields::long_text("reason", &message.reason, 0, LONGEST_REASON)?,
        requested_by: caller.user()?.id,
        key,
    })
}

fn read_sum(message: &RefundRequest) -> Result<Sum, Problem> {
    match (&message.amount, message.ticket_ids.as_slice()) {
        (None, []) => Ok(Sum::Everything),
        (Some(_), [_, ..]) => Err(Problem::invalid("amount", "give either an amount or tickets, not both")),
        (Some(amount), []) => {
            let amount = fields::money("amount", Some(amount))?;
            if amount.minor == 0 {
                return Err(Problem::invalid("amount.amount_minor", "refund at least one minor unit"));
            }
            Ok(Sum::Amount(amount))
        }
        (None, named) => Ok(Sum::Tickets(read_tickets(named)?)),
    }
}

fn read_tickets(named: &[String]) -> Result<Vec<TicketId>, Problem> {
    fields::at_most("ticket_ids", named, MOST_TICKETS)?;
    let mut tickets = Vec::with_capacity(named.len());
    for (index, id) in named.iter().enumerate() {
        let field = format!("ticket_ids[{index}]");
        let id = fields::id(&field, id)?;
        if tickets.contains(&id) {
            return Err(Problem::invalid(field, "name each ticket once"));
        }
        tickets.push(id);
    }
    Ok(tickets)
}

/// Reads a request to exchange.
pub(crate) fn read_exchange(caller: &Caller, message: &ExchangeRequest) -> Result<NewExchange, Problem> {
    let key = key(caller, &message.request_id, "payments.Exchange", message)?;
    if message.ticket_ids.is_empty() {
        return Err(Problem::invalid("ticket_ids", "name the tickets to exchange"));
    }
    let token = fields::text("payment_token", &message.payment_token, 0, LONGEST_TOKEN)?;
    Ok(NewExchange {
        payment_id: fields::id("payment_id", &message.payment_id)?,
        tickets: read_tickets(&message.ticket_ids)?,
        reservation_id: fields::id("reservation_id", &message.reservation_id)?,
        amount: message.amount.as_ref().map(|amount| fields::money("amount", Some(amount))).transpose()?,
        token: (!token.is_empty()).then(|| token.into()),
        key,
    })
}

/// The key of a request that must have one.
fn key(
    caller: &Caller,
    request_id: &str,
    method: &'static str,
    message: &impl Message,
) -> Result<Key, Problem> {
    let keyed = Keyed::required(&caller.key_scope(), request_id, method, message)?;
    let fingerprint = keyed.fingerprint().unwrap_or_default().to_vec();
    Ok(Key { request_id: request_id.to_owned(), fingerprint })
}

fn to_wire(payment: Payment, history: Vec<PastEvent>) -> wire::Payment {
    let money = |minor| fields::to_money(Money::new(minor, payment.amount.currency));
    wire::Payment {
        id: payment.id.to_string(),
        reservation_id: payment.reservation_id.to_string(),
        user_id: payment.user_id.to_string(),
        theater_id: payment.theater_id.to_string(),
        showtime_id: payment.showtime_id.to_string(),
        state: to_wire_state(payment.state).into(),
        amount: Some(money(payment.amount.minor)),
        refunded: Some(money(payment.refunded)),
        fee_kept: Some(money(payment.fees_kept())),
        failure_reason: payment.failure.as_ref().map_or("", |failure| failure.reason.name()).to_owned(),
        ticket_ids: payment.ticket_ids.iter().map(ToString::to_string).collect(),
        create_time: Some(fields::time::to_wire(payment.created_at)),
        update_time: Some(fields::time::to_wire(payment.updated_at)),
        history: history
            .into_iter()
            .map(|event| wire::PaymentEvent {
                time: Some(fields::time::to_wire(event.time)),
                kind: event.kind,
                amount: event.amount.map(money),
                detail: event.detail,
            })
            .collect(),
        buyer_action: payment.confirmation.map(buyer_action),
        provider_reference: payment.provider_reference,
        provider: payment.provider,
        exchange_of: payment.exchange.map(|exchange| exchange.of.to_string()).unwrap_or_default(),
        carried: payment.exchange.map(|exchange| money(exchange.carried)),
        offers: payment.offers,
        parked: payment.parked.is_some(),
        parked_reason: payment.parked.unwrap_or_default(),
    }
}

fn buyer_action(waiting: Confirmation) -> wire::BuyerAction {
    let secret = waiting.action.client_secret;
    wire::BuyerAction {
        url: waiting.action.url,
        client_secret: secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default(),
        expire_time: waiting.until.map(fields::time::to_wire),
    }
}

/// The states that callers know: they need not tell apart what is done to give money back.
fn to_wire_state(state: State) -> PaymentState {
    match state {
        State::Created => PaymentState::Created,
        State::ActionRequired => PaymentState::ActionRequired,
        State::Authorised => PaymentState::Authorised,
        State::Confirmed => PaymentState::Confirmed,
        State::Exchanging | State::Captured => PaymentState::Captured,
        State::Completed => PaymentState::Completed,
        State::Declined => PaymentState::Declined,
        State::Withdrawing
        | State::Freeing
        | State::Voiding
        | State::Returning
        | State::Repaying
        | State::SeekingAuthorisation
        | State::SeekingCapture
        | State::RecallingExchanged
        | State::Recalling => PaymentState::Voiding,
        // The money is back; what may follow is an offer.
        State::Offering | State::Voided => PaymentState::Voided,
        State::Refunded => PaymentState::Refunded,
        State::PartiallyRefunded => PaymentState::PartiallyRefunded,
    }
}
