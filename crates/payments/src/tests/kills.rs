//! A process that is killed before or after the effect of any step of any saga, whatever comes of it, with the
//! neighbours as they are; and another one that finds what it left.
//!
//! The process is this test program again, with a [`Plan`] in its environment: it takes up the saga at the step and ends
//! there as a crash does. The steps are all that there are (`steps.rs`), but for what such neighbours never refuse
//! (`can_come`).

use std::{fmt::Debug, os::unix::process::ExitStatusExt as _, process::Command, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::Caller;
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SharedClock},
    id::PaymentId,
};
use moviebooking_proto::{
    payments::v1::{ChargeRequest, ExchangeRequest, RefundRequest},
    reservations::v1::Reservation,
};
use moviebooking_store::{DatabaseUrl, Db, PoolOptions, testing::TestDb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    cinema::{Addresses, Cinema},
    crashes::{begin, bring, events, run_to},
    disturb::{Disturbance, disturb},
    steps::{self, Outcome, Refusal, Step, Way, way_of_refund},
    world::{PATIENT, customer, euro, sandbox_bank},
};
use crate::{
    Service,
    audit::{audit, unfinished},
    kind::Kind,
    payment::Payment,
    provider::sandbox::Sandbox,
    reconcile::reconcile,
    refund,
    runner::{Runner, Saga},
    saga::State,
    store::{LEASE, Lease},
};

/// The variable that has the plan.
const PLAN: &str = "MOVIEBOOKING_PAYMENTS_TEST_PLAN";
/// What `abort` ends a process with.
const SIGABRT: i32 = 6;

/// What the process that is killed is to take up, and where it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    now: Timestamp,
    payments: String,
    bank: String,
    neighbours: Addresses,
    saga: String,
    id: Uuid,
    state: String,
    disturbance: Disturbance,
}

impl Plan {
    async fn carry_out(self) {
        let open = async |url: &str| {
            let url: DatabaseUrl = url.parse().unwrap();
            let options = PoolOptions { application_name: "killed", max_connections: Some(4) };
            Db::connect(&url, &options).await.unwrap()
        };
        let (db, bank) = (open(&self.payments).await, open(&self.bank).await);
        let service = service(&db, &bank, &ManualClock::at(self.now), &self.neighbours);
        match self.saga.parse().unwrap() {
            Kind::Checkout => self.end(&service.checkout).await,
            Kind::Refund => self.end(&service.refunds).await,
            Kind::Cancellation => self.end(&service.cancellations).await,
        }
        panic!("it went on after {self:?}");
    }

    async fn end<S: Saga>(&self, runner: &Runner<S>) {
        disturb(S::KIND, self.id, &self.state, self.disturbance);
        let _ = runner.follow(runner.saga().load(self.id).await.unwrap()).await;
    }
}

/// Where the process that is killed begins; in the test run itself it does nothing.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(plan) = std::env::var(PLAN) else { return };
    let plan: Plan = serde_json::from_str(&plan).unwrap();
    plan.carry_out().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_wherever_the_process_is_killed_on_sqlite() {
    killed_everywhere(TestDb::sqlite(&crate::MIGRATIONS).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_wherever_the_process_is_killed_on_postgres() {
    killed_everywhere(TestDb::postgres(&crate::MIGRATIONS).await).await;
}

/// The service as a process of its own has it.
pub(super) fn service(db: &Db, bank: &Db, clock: &Arc<ManualClock>, neighbours: &Addresses) -> Service {
    let shared: SharedClock = clock.clone();
    let provider = Sandbox::embedded(&sandbox_bank(bank, clock));
    let [reservations, tickets] = neighbours.links(&shared);
    Service::within(PATIENT, db.clone(), shared, Arc::new(provider), reservations, tickets)
}

async fn killed_everywhere(payments: TestDb) {
    let cinema = Cinema::open().await;
    let bank = TestDb::sqlite(&moviebooking_sandbox_bank::MIGRATIONS).await;
    for step in steps::all().into_iter().filter(can_come) {
        for disturbance in [Disturbance::DiesBefore, Disturbance::DiesAfter] {
            let first = service(payments.db(), bank.db(), &cinema.clock, &cinema.addresses);
            let case = bring_to(step, &first, &cinema, bank.db()).await;
            cinema.clock.advance(LEASE);
            let plan = Plan {
                now: cinema.clock.now(),
                payments: payments.url().to_string(),
                bank: bank.url().to_string(),
                neighbours: cinema.addresses.clone(),
                saga: step.kind().name().to_owned(),
                id: case.id,
                state: step.state().to_owned(),
                disturbance,
            };
            kill(&plan).await;
            let left = unfinished(payments.db()).await.unwrap();
            assert!(left.contains(&(step.kind().table(), case.id)), "{plan:?}: {left:?}");
            // Another process takes it over once the dead one's lease is over.
            cinema.clock.advance(LEASE);
            let successor = service(payments.db(), bank.db(), &cinema.clock, &cinema.addresses);
            finish(&successor, &cinema, &payments, &plan).await;
            assert_eq!(events(&successor, case.ends[0].0).await[case.known], step.event(), "{plan:?}");
            for (payment, end) in case.ends {
                let ended = successor.store.payment(payment).await.unwrap().unwrap().state;
                assert_eq!(ended, end, "{plan:?}");
            }
        }
        check(&cinema, &payments, &bank, &step).await;
    }
}

/// Whether neighbours as they are can be brought to what comes of a step.
fn can_come(step: &Step) -> bool {
    match step {
        // Seats that were not sold are free, whoever frees them, and those that were sold can be freed.
        Step::Checkout(State::Freeing, Outcome::Refused, _)
        | Step::Refund(refund::State::TicketsVoided, Outcome::Refused) => false,
        Step::Checkout(_, _, Way { refusal: Some(refusal), .. }) => match refusal {
            Refusal::SeatsGone | Refusal::LetIn => true,
            // The hall has seats left, and what was sold to a payment gets its tickets and is taken back.
            Refusal::NoOthers | Refusal::NotIssued | Refusal::NotFreed => false,
        },
        Step::Checkout(..) | Step::Refund(..) | Step::Cancellation(_) => true,
    }
}

/// Does what is due until nothing is left. A buyer who has not confirmed before never does: their time has to run out.
async fn finish(service: &Service, cinema: &Cinema, payments: &TestDb, plan: &Plan) {
    for _ in 0..60 {
        service.tick().await.unwrap();
        if unfinished(payments.db()).await.unwrap().is_empty() {
            return;
        }
        cinema.clock.advance(SignedDuration::from_mins(1));
    }
    panic!("it does not end: {plan:?}");
}

/// A saga that stands before a step.
struct Case {
    id: Uuid,
    /// How payments are to end.
    ends: Vec<(PaymentId, State)>,
    /// How many events the first of them has.
    known: usize,
}

async fn bring_to(step: Step, service: &Service, cinema: &Cinema, bank: &Db) -> Case {
    let (buyer, showtime) = (customer(), cinema.showtime().await);
    let (id, ends) = match step {
        Step::Checkout(state, _, way) => {
            let payment = bring_checkout_to(state, &way, &showtime, service, cinema, bank).await;
            (payment.id.uuid(), vec![(payment.id, way.end)])
        }
        Step::Refund(state, outcome) => {
            let paid = pay(&buyer, &showtime, service, cinema).await;
            let request = RefundRequest {
                payment_id: paid.id.to_string(),
                ticket_ids: vec![paid.ticket_ids[0].to_string()],
                request_id: "refund".to_owned(),
                ..RefundRequest::default()
            };
            let new = crate::grpc::read_refund(&buyer, &request).unwrap();
            let now = cinema.clock.now();
            let mut refund =
                service.store.request_refund(&new, &*service.provider, Lease::new(now), now).await.unwrap();
            while refund.state != state {
                refund = service.refunds.saga().step(&refund).await.unwrap();
            }
            let end = if way_of_refund(state, outcome).0 == Some(Refusal::LetIn) {
                cinema.let_in(&showtime).await;
                State::Completed
            } else {
                State::PartiallyRefunded
            };
            (refund.id.uuid(), vec![(paid.id, end)])
        }
        Step::Cancellation(_) => {
            let mut ends = Vec::new();
            for buyer in [buyer, customer()] {
                ends.push((pay(&buyer, &showtime, service, cinema).await.id, State::Refunded));
            }
            cinema.close(&showtime, service).await;
            (showtime.parse().unwrap(), ends)
        }
    };
    let known = events(service, ends[0].0).await.len();
    Case { id, ends, known }
}

/// A checkout in this state.
async fn bring_checkout_to(
    state: State,
    way: &Way,
    showtime: &str,
    service: &Service,
    cinema: &Cinema,
    bank: &Db,
) -> Payment {
    let (buyer, checkout) = (customer(), service.checkout.saga());
    let (mut payment, hold) = if way.exchange {
        let old = pay(&buyer, showtime, service, cinema).await;
        let hold = cinema.hold(&buyer, showtime).await;
        let swap = ExchangeRequest {
            payment_id: old.id.to_string(),
            ticket_ids: vec![old.ticket_ids[0].to_string()],
            reservation_id: hold.id.clone(),
            // Two seats for one.
            amount: Some(euro(900)),
            payment_token: way.token.to_owned(),
            request_id: "exchange".to_owned(),
        };
        let swap = crate::grpc::read_exchange(&buyer, &swap).unwrap();
        (service.begin_exchange(&buyer, &swap).await.unwrap(), hold)
    } else {
        let hold = cinema.hold(&buyer, showtime).await;
        (begin(service, &buyer, &bill(&hold, way.token)).await, hold)
    };
    if way.refusal == Some(Refusal::SeatsGone) {
        payment = run_to(checkout, payment, State::Authorised).await;
        cinema.clock.advance(SignedDuration::from_mins(11));
        cinema.take(&customer(), &hold).await;
    }
    payment = bring(service, &sandbox_bank(bank, &cinema.clock), payment, state, way).await;
    if way.refusal == Some(Refusal::LetIn) {
        cinema.let_in(showtime).await;
    }
    payment
}

/// A payment for two tickets that went well.
async fn pay(buyer: &Caller, showtime: &str, service: &Service, cinema: &Cinema) -> Payment {
    let hold = cinema.hold(buyer, showtime).await;
    service.checkout.finish(begin(service, buyer, &bill(&hold, "tok_approve")).await).await.unwrap()
}

fn bill(hold: &Reservation, token: &str) -> ChargeRequest {
    ChargeRequest {
        reservation_id: hold.id.clone(),
        amount: hold.total.clone(),
        payment_token: token.to_owned(),
        request_id: "charge".to_owned(),
    }
}

/// Runs the process and waits for its death.
async fn kill(plan: &Plan) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = format!("{}::the_process_that_is_killed", module_path!().split_once("::").unwrap().1);
    command.args(["--exact", &test, "--nocapture"]).env(PLAN, serde_json::to_string(plan).unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{plan:?}: {said}");
}

pub(super) async fn check(cinema: &Cinema, payments: &TestDb, bank: &TestDb, plan: &impl Debug) {
    let violations = moviebooking_audit::audit(&cinema.databases(payments, bank)).await.unwrap();
    assert_eq!(violations, [], "{plan:?}");
    assert_eq!(audit(payments.db()).await.unwrap(), [], "{plan:?}");
    let provider = Sandbox::embedded(&sandbox_bank(bank.db(), &cinema.clock));
    let compared = reconcile(payments.db(), &provider, Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    assert_eq!((compared.differences, compared.under_way), (Vec::new(), 0), "{plan:?}");
}
