//! One service, its neighbours and its bank, and what must be true of them in the end.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, ServiceCredentials, ServiceLink, ServiceSecret, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SharedClock},
    id::{PaymentId, RefundId, ReservationId, SessionId, ShowtimeId, TheaterId, UserId},
    money::{Currency, Money},
};
use moviebooking_proto::{
    Reason,
    money::v1::Money as WireMoney,
    payments::v1::{
        ChargeRequest, GetPaymentRequest, Payment, RefundRequest, payments_service_server::PaymentsService,
    },
    problem::reason_of,
    reservations::v1::{
        Reservation, ReservationState, ReservedSeat,
        reservations_internal_server::ReservationsInternalServer,
        reservations_service_server::ReservationsServiceServer,
    },
    tickets::v1::{TicketState, tickets_internal_server::TicketsInternalServer},
};
use moviebooking_sandbox_bank::{Bank, BankSecret, Settings, pages};
use moviebooking_serve::Link;
use moviebooking_store::{Db, sql, testing::TestDb};
use secrecy::SecretString;
use tonic::{Request, Status, service::Routes};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::neighbours::{Fault, Faults, Reservations, Tickets};
use crate::{
    Limits, Service,
    cancellation::Cancellation,
    provider::{
        Authorisation, Charged, Found, Notice, Operation, Provider, ProviderError, TransactionPage,
        TransactionQuery, Webhook, WebhookRefused, sandbox::Sandbox,
    },
    reconcile::reconcile,
    refund::Refunding,
    saga::Checkout,
};

/// Limits under which nothing times out, however slow the machine is, and no request has time to try a step once more.
pub(super) const PATIENT: Limits = Limits { answer: LONG, request: LONG, again: LONG };
const LONG: Duration = Duration::from_secs(60);

/// The theater of every reservation.
pub(super) fn theater() -> TheaterId {
    TheaterId::from(Uuid::from_u128(7))
}

/// The sandbox bank behind a line that can fail.
struct Line {
    bank: Sandbox,
    faults: Arc<Faults>,
}

impl Line {
    async fn send<T>(
        &self,
        call: &'static str,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let lost = || ProviderError::Unknown("the line is down".to_owned());
        match self.faults.take(call).await {
            Some(Fault::Down) => Err(lost()),
            Some(Fault::ReplyLost) => request.await.and_then(|_lost| Err(lost())),
            Some(Fault::Late) => self.faults.hold(request.await).await,
            _ => request.await,
        }
    }
}

#[tonic::async_trait]
impl Provider for Line {
    fn name(&self) -> &'static str {
        self.bank.name()
    }

    fn unit(&self, _currency: Currency) -> i64 {
        self.faults.unit.load(Ordering::SeqCst)
    }

    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<Authorisation, ProviderError> {
        self.send("authorise", self.bank.authorise(payment, amount, token)).await
    }

    async fn capture(&self, payment: &Charged, amount: Money) -> Result<(), ProviderError> {
        self.send("capture", self.bank.capture(payment, amount)).await
    }

    async fn void(&self, payment: &Charged) -> Result<(), ProviderError> {
        self.send("void", self.bank.void(payment)).await
    }

    async fn refund(&self, payment: &Charged, refund: RefundId, amount: Money) -> Result<(), ProviderError> {
        self.send("refund", self.bank.refund(payment, refund, amount)).await
    }

    async fn look_up(&self, payment: &Charged, operation: Operation) -> Result<Found, ProviderError> {
        self.send("look_up", self.bank.look_up(payment, operation)).await
    }

    async fn transactions(&self, query: &TransactionQuery) -> Result<TransactionPage, ProviderError> {
        self.send("transactions", self.bank.transactions(query)).await
    }

    fn read_webhook(&self, webhook: &Webhook<'_>) -> Result<Notice, WebhookRefused> {
        self.bank.read_webhook(webhook)
    }
}

pub(super) struct World {
    pub(super) service: Service,
    pub(super) db: Db,
    pub(super) bank: TestDb,
    pub(super) at_bank: Bank,
    pub(super) clock: Arc<ManualClock>,
    pub(super) faults: Arc<Faults>,
    pub(super) reservations: Reservations,
    pub(super) tickets: Tickets,
    limits: Limits,
    keys: AtomicUsize,
    showtime: Mutex<ShowtimeId>,
}

impl World {
    pub(super) async fn new(db: Db) -> Self {
        Self::within(PATIENT, db).await
    }

    pub(super) async fn within(limits: Limits, db: Db) -> Self {
        let bank = TestDb::sqlite(&moviebooking_sandbox_bank::MIGRATIONS).await;
        let clock = ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap());
        let at_bank = sandbox_bank(bank.db(), &clock);
        let faults = Faults::none();
        let reservations = Reservations {
            gone: Arc::default(),
            held: Arc::default(),
            faults: Arc::clone(&faults),
            clock: Arc::clone(&clock),
        };
        let tickets = Tickets {
            policy: Arc::default(),
            issued: Arc::new(Mutex::default()),
            faults: Arc::clone(&faults),
            clock: Arc::clone(&clock),
        };
        let service = replica(limits, &db, &at_bank, &clock, &faults, &reservations, &tickets);
        let keys = AtomicUsize::new(0);
        let showtime = Mutex::new(ShowtimeId::from(Uuid::from_u128(9)));
        Self { service, db, bank, at_bank, clock, faults, reservations, tickets, limits, keys, showtime }
    }

    /// A second process of the service, on the same database.
    pub(super) fn replica(&self) -> Service {
        let Self { limits, db, at_bank, clock, faults, reservations, tickets, .. } = self;
        replica(*limits, db, at_bank, clock, faults, reservations, tickets)
    }

    /// The checkout alone, to be stopped anywhere.
    pub(super) fn checkout(&self) -> &Checkout {
        self.service.checkout.saga()
    }

    /// A refund's steps alone, to be stopped anywhere.
    pub(super) fn refunding(&self) -> &Refunding {
        self.service.refunds.saga()
    }

    /// The refunds of cancelled showtimes alone, to be stopped anywhere.
    pub(super) fn cancellation(&self) -> Cancellation {
        let clock: SharedClock = self.clock.clone();
        Cancellation { store: self.service.store.clone(), provider: self.provider(), clock }
    }

    /// The bank behind its line.
    pub(super) fn provider(&self) -> Arc<dyn Provider> {
        provider(&self.at_bank, &self.faults)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A key that was not used before.
    pub(super) fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::SeqCst))
    }

    /// The showtime of the holds that are made now.
    pub(super) fn showtime(&self) -> ShowtimeId {
        *self.showtime.lock().unwrap()
    }

    /// Has the next holds made for another showtime.
    pub(super) fn another_showtime(&self) {
        *self.showtime.lock().unwrap() = ShowtimeId::from(Uuid::new_v4());
    }

    /// Seats that `buyer` holds for ten minutes, at these prices in euro cents: A1, A2, …
    pub(super) fn hold(&self, buyer: &Caller, prices: &[i64]) -> String {
        let id = ReservationId::new(self.clock.now()).to_string();
        let seats = prices.iter().zip(1..).map(|(price, number)| ReservedSeat {
            label: format!("A{number}"),
            row: "A".to_owned(),
            category: "standard".to_owned(),
            price: Some(euro(*price)),
            ..ReservedSeat::default()
        });
        let expires = self.clock.now() + SignedDuration::from_mins(10);
        let reservation = Reservation {
            id: id.clone(),
            showtime_id: self.showtime().to_string(),
            user_id: buyer.user().unwrap().id.to_string(),
            theater_id: theater().to_string(),
            state: ReservationState::Active.into(),
            seats: seats.collect(),
            total: Some(euro(prices.iter().sum())),
            create_time: Some(moviebooking_fields::time::to_wire(self.clock.now())),
            expire_time: Some(moviebooking_fields::time::to_wire(expires)),
            ..Reservation::default()
        };
        self.reservations.held.lock().unwrap().insert(id.clone(), reservation);
        id
    }

    /// Lets a hold expire, and another buyer take its seats.
    pub(super) fn lose(&self, reservation: &str) {
        self.clock.advance(SignedDuration::from_mins(11));
        self.reservations.gone.lock().unwrap().insert(reservation.to_owned());
    }

    /// The request that pays for a reservation in full.
    pub(super) fn bill(&self, reservation: &str, token: &str) -> ChargeRequest {
        let total = self.reservations.held.lock().unwrap()[reservation].total.clone();
        ChargeRequest {
            reservation_id: reservation.to_owned(),
            amount: total,
            payment_token: token.to_owned(),
            request_id: self.key(),
        }
    }

    pub(super) async fn charge(&self, caller: &Caller, message: &ChargeRequest) -> Result<Payment, Status> {
        PaymentsService::charge(&self.service, request(caller, message))
            .await
            .map(tonic::Response::into_inner)
    }

    /// A payment for seats at these prices that went well.
    pub(super) async fn paid(&self, buyer: &Caller, prices: &[i64]) -> Payment {
        let reservation = self.hold(buyer, prices);
        self.charge(buyer, &self.bill(&reservation, "tok_approve")).await.unwrap()
    }

    pub(super) async fn refund(&self, caller: &Caller, message: &RefundRequest) -> Result<Payment, Status> {
        refund_at(&self.service, caller, message).await
    }

    /// A payment with its history, as an admin sees it.
    pub(super) async fn payment(&self, id: &str) -> Payment {
        let message = GetPaymentRequest { id: id.to_owned() };
        self.service.get_payment(request(&admin(), &message)).await.unwrap().into_inner()
    }

    /// The only payment for a reservation.
    pub(super) async fn payment_for(&self, reservation: &str) -> Payment {
        let query = sql("SELECT id FROM payments WHERE reservation_id = $1");
        let rows = query.bind(Uuid::try_parse(reservation).unwrap()).fetch_all(&self.db).await.unwrap();
        assert_eq!(rows.len(), 1);
        self.payment(&rows[0].get::<Uuid>("id").unwrap().to_string()).await
    }

    /// A buyer decides on the bank's page, whose address they were given. The status is the page's.
    pub(super) async fn decide(&self, url: &str, decision: &str) -> http::StatusCode {
        decide(&self.at_bank, url, decision).await
    }

    /// Lets workers run, with the time passing that they wait for, until nothing is left to do.
    pub(super) async fn settle(&self) {
        for _ in 0..40 {
            self.service.tick().await.unwrap();
            let open = "SELECT 1 AS one FROM payments WHERE due_at IS NOT NULL \
                 UNION ALL SELECT 1 AS one FROM refunds WHERE due_at IS NOT NULL \
                 UNION ALL SELECT 1 AS one FROM cancelled_showtimes WHERE due_at IS NOT NULL";
            if sql(open).fetch_all(&self.db).await.unwrap().is_empty() {
                return;
            }
            self.clock.advance(SignedDuration::from_mins(1));
        }
        panic!("it never settles");
    }

    /// Waits until a payment has this state.
    pub(super) async fn until(&self, id: &str, state: &str) {
        let settled = async {
            while self.payment(id).await.state().as_str_name() != state {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled).await.unwrap();
    }

    /// Checks that bank, payments, seats and tickets agree, and that nothing is left to do.
    pub(super) async fn check(&self) {
        let violations = crate::audit::audit(&self.db).await.unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
        assert_eq!(crate::audit::unfinished(&self.db).await.unwrap(), []);
        let ever = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let compared = reconcile(&self.db, &*self.provider(), ever.0, ever.1).await.unwrap();
        assert_eq!((compared.differences, compared.under_way), (Vec::new(), 0));
        let bank = self.bank_payments().await;
        let rows = sql("SELECT * FROM payments").fetch_all(&self.db).await.unwrap();
        self.check_exchanges(&rows).await;
        let mut bought = 0;
        let mut known = 0;
        for row in &rows {
            let payment = crate::payment::Payment::read(row).unwrap();
            let (id, amount) = (payment.id, payment.amount.minor);
            assert_eq!(payment.lease, crate::store::Lease::default(), "{id} is unfinished");
            assert!(payment.token.is_none(), "{id} keeps its token");
            assert_eq!(payment.refunded, payment.refund_reserved, "{id}");
            let at_bank = bank.get(&id.uuid()).copied();
            // The bank is not asked to move nothing.
            let free =
                AtBank { authorised: 0, captured: 0, refunded: 0, voided: payment.state.name() == "VOIDED" };
            let at_bank = if amount == 0 { at_bank.or(Some(free)) } else { at_bank };
            known += usize::from(bank.contains_key(&id.uuid()));
            let issued = self.tickets.issued.lock().unwrap().clone();
            let tickets: Vec<_> =
                issued.iter().filter(|ticket| ticket.payment_id == id.to_string()).collect();
            bought += tickets.len();
            let reservation =
                self.reservations.held.lock().unwrap()[&payment.reservation_id.to_string()].clone();
            let sold = reservation.payment_id == id.to_string();
            match payment.state.name() {
                "DECLINED" => {
                    // Who cancels may have confirmed a moment before.
                    let kept = at_bank.is_some_and(|account| !account.voided);
                    assert!(!kept && tickets.is_empty() && !sold, "{id}");
                }
                "VOIDED" => {
                    assert_eq!(
                        at_bank,
                        Some(AtBank { authorised: amount, captured: 0, refunded: 0, voided: true })
                    );
                    assert!(
                        tickets.is_empty() && (!sold || reservation.seats.iter().all(|seat| seat.freed)),
                        "{id}"
                    );
                }
                state @ ("COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED") => {
                    let refunded = payment.refunded;
                    let expected = AtBank { authorised: amount, captured: amount, refunded, voided: false };
                    assert_eq!(at_bank, Some(expected), "{id}");
                    let worth = if payment.failure.is_some() { 0 } else { payment.carried_in() };
                    let back = refunded + payment.carried_back;
                    assert_eq!(state == "REFUNDED", back == amount + worth, "{id}");
                    assert!(state != "COMPLETED" || back == 0, "{id}");
                    let void = tickets.iter().all(|ticket| ticket.state() == TicketState::Void);
                    let whole = tickets.len() == reservation.seats.len();
                    assert!(if payment.failure.is_some() { void } else { whole }, "{id}");
                    assert!(sold, "{id}");
                    let history = self.service.store.history(payment.id).await.unwrap();
                    let stays_sold = history.iter().any(|event| event.kind == "seats_not_freed");
                    for ticket in tickets {
                        let seat = reservation.seats.iter().find(|seat| seat.label == ticket.seat).unwrap();
                        // Tickets of a cancelled showtime are paid back even if they were let in.
                        let back = ticket.state() != TicketState::Valid;
                        let freed =
                            back && (seat.freed || ticket.state() == TicketState::Void && !stays_sold);
                        assert_eq!(freed, seat.freed, "{id} {}", seat.label);
                    }
                }
                state => panic!("{id} is left {state}"),
            }
        }
        assert_eq!(self.tickets.issued.lock().unwrap().len(), bought, "a ticket without a payment");
        assert_eq!(bank.len(), known, "the bank has a payment that payments has not");
    }

    /// What payments have paid for others is what the others say that they brought over.
    async fn check_exchanges(&self, rows: &[moviebooking_store::Row]) {
        let payments: Vec<_> = rows.iter().map(|row| crate::payment::Payment::read(row).unwrap()).collect();
        for payment in &payments {
            let others = payments.iter().filter(|other| other.failure.is_none());
            let brought =
                others.filter(|other| other.exchange.is_some_and(|exchange| exchange.of == payment.id));
            let brought: i64 = brought.map(crate::payment::Payment::carried_left).sum();
            assert_eq!(payment.carried_out, brought, "{}", payment.id);
            assert!(payment.left() >= 0, "{}", payment.id);
        }
        let open = "SELECT id FROM refunds WHERE state IN ('EXCHANGING', 'EXCHANGED')";
        assert!(sql(open).fetch_all(&self.db).await.unwrap().is_empty(), "an exchange has no end");
    }

    async fn bank_payments(&self) -> HashMap<Uuid, AtBank> {
        let rows = sql("SELECT * FROM bank_payments").fetch_all(self.bank.db()).await.unwrap();
        rows.iter()
            .map(|row| {
                let at_bank = AtBank {
                    authorised: row.get("authorised").unwrap(),
                    captured: row.get("captured").unwrap(),
                    refunded: row.get("refunded").unwrap(),
                    voided: row.get("voided").unwrap(),
                };
                (row.get("payment_id").unwrap(), at_bank)
            })
            .collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AtBank {
    authorised: i64,
    captured: i64,
    refunded: i64,
    voided: bool,
}

/// The secret of bank and merchant.
pub(super) fn bank_secret() -> BankSecret {
    BankSecret::new("a secret of the tests".into()).unwrap()
}

pub(super) fn sandbox_bank(db: &Db, clock: &Arc<ManualClock>) -> Bank {
    let settings = Settings {
        secret: bank_secret(),
        public_url: "http://bank".to_owned(),
        webhook_url: None,
        slow_reply: Duration::ZERO,
    };
    Bank::new(db.clone(), clock.clone(), settings)
}

/// A buyer decides on a bank's page.
pub(super) async fn decide(bank: &Bank, url: &str, decision: &str) -> http::StatusCode {
    let page = http::Request::post(url.strip_prefix("http://bank").unwrap())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(format!("decision={decision}")));
    pages(bank).oneshot(page.unwrap()).await.unwrap().status()
}

fn provider(bank: &Bank, faults: &Arc<Faults>) -> Arc<dyn Provider> {
    Arc::new(Line { bank: Sandbox::embedded(bank), faults: Arc::clone(faults) })
}

fn replica(
    limits: Limits,
    db: &Db,
    bank: &Bank,
    clock: &Arc<ManualClock>,
    faults: &Arc<Faults>,
    reservations: &Reservations,
    tickets: &Tickets,
) -> Service {
    let shared: SharedClock = clock.clone();
    let credentials = ServiceCredentials::new("payments", ServiceSecret::random(), Arc::clone(&shared));
    let link = |to, routes| -> ServiceLink { credentials.link(to, Link::local(routes)) };
    let to_reservations = Routes::new(ReservationsServiceServer::new(reservations.clone()))
        .add_service(ReservationsInternalServer::new(reservations.clone()));
    let to_tickets = Routes::new(TicketsInternalServer::new(tickets.clone()));
    Service::within(
        limits,
        db.clone(),
        shared,
        provider(bank, faults),
        link("reservations", to_reservations),
        link("tickets", to_tickets),
    )
}

pub(super) async fn refund_at(
    service: &Service,
    caller: &Caller,
    message: &RefundRequest,
) -> Result<Payment, Status> {
    PaymentsService::refund(service, request(caller, message)).await.map(tonic::Response::into_inner)
}

/// A request as the layer before the handlers passes it on.
pub(super) fn request<M: Clone>(caller: &Caller, message: &M) -> Request<M> {
    let mut request = Request::new(message.clone());
    request.extensions_mut().insert(caller.clone());
    request
}

pub(super) fn euro(minor: i64) -> WireMoney {
    WireMoney { amount_minor: minor, currency_code: "EUR".to_owned() }
}

pub(super) fn reason(outcome: &Result<Payment, Status>) -> Option<Reason> {
    reason_of(outcome.as_ref().unwrap_err())
}

fn user(admin: bool, staff_of: Vec<TheaterId>) -> Caller {
    let id = UserId::from(Uuid::new_v4());
    let session = SessionId::from(Uuid::new_v4());
    Caller::User(Arc::new(User { id, session, admin, staff_of, expire_time: Timestamp::MAX }))
}

pub(super) fn customer() -> Caller {
    user(false, Vec::new())
}

pub(super) fn staff() -> Caller {
    user(false, vec![theater()])
}

pub(super) fn staff_elsewhere() -> Caller {
    user(false, vec![TheaterId::from(Uuid::from_u128(8))])
}

pub(super) fn admin() -> Caller {
    user(true, Vec::new())
}
