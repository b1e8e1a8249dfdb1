//! A process that is killed before or after the effect of any step of any saga, with the neighbours as they are; and
//! another one that finds what it left.
//!
//! The process is this test program again, with a [`Plan`] in its environment: it takes up the saga at the step and ends
//! there as a crash does. The steps are those of the sagas' tables, so a new one cannot be left out: where nobody says
//! how a saga gets there, this does not compile.

use std::{os::unix::process::ExitStatusExt as _, process::Command, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SharedClock},
    id::{PaymentId, RefundId},
};
use moviebooking_proto::payments::v1::{ChargeRequest, RefundRequest};
use moviebooking_store::{DatabaseUrl, Db, PoolOptions, testing::TestDb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    cinema::{Addresses, Cinema},
    crashes::{begin, run_to, turn_round, way_to},
    disturb::{Disturbance, disturb},
    world::{PATIENT, admin, customer, sandbox_bank},
};
use crate::{
    SAGAS, Service,
    audit::{audit, unfinished},
    provider::sandbox::Sandbox,
    reconcile::reconcile,
    refund::{self, Refunding},
    runner::Saga as _,
    saga::{self, Checkout},
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
        if self.saga == Checkout::TABLE {
            let payment = service.store.payment(PaymentId::from(self.id)).await.unwrap().unwrap();
            assert_eq!(payment.state.name(), self.state);
            disturb(Checkout::TABLE, self.id, payment.state.name(), self.disturbance);
            let _ = service.checkout.follow(payment).await;
        } else {
            let refund = service.store.refund(RefundId::from(self.id)).await.unwrap();
            assert_eq!(refund.state.name(), self.state);
            disturb(Refunding::TABLE, self.id, refund.state.name(), self.disturbance);
            let _ = service.refunds.follow(refund).await;
        }
        panic!("it went on after {self:?}");
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
fn service(db: &Db, bank: &Db, clock: &Arc<ManualClock>, neighbours: &Addresses) -> Service {
    let shared: SharedClock = clock.clone();
    let provider = Sandbox::embedded(&sandbox_bank(bank, clock));
    let [reservations, tickets] = neighbours.links(&shared);
    Service::within(PATIENT, db.clone(), shared, Arc::new(provider), reservations, tickets)
}

/// Every step of every saga: the saga's table, and the name of the state in which the step is to be done.
fn steps() -> Vec<(&'static str, &'static str)> {
    let mut steps = Vec::new();
    for &table in SAGAS {
        let before = steps.len();
        if table == Checkout::TABLE {
            // The steps of an exchange, which needs a payment before, are disturbed in `crashes.rs`.
            let alone = |state: &&saga::State| way_to(**state).is_some_and(|way| !way.exchange);
            let open = saga::State::ALL.iter().filter(alone);
            steps.extend(open.map(|state| (table, state.name())));
        } else if table == Refunding::TABLE {
            let open = refund::State::ALL.iter().filter(|state| state.step().is_some());
            steps.extend(open.map(|state| (table, state.name())));
        }
        assert!(steps.len() > before, "{table} is a saga whose steps nobody tries");
    }
    steps
}

async fn killed_everywhere(payments: TestDb) {
    let cinema = Cinema::open().await;
    let bank = TestDb::sqlite(&moviebooking_sandbox_bank::MIGRATIONS).await;
    for (saga, state) in steps() {
        for disturbance in [Disturbance::DiesBefore, Disturbance::DiesAfter] {
            let first = service(payments.db(), bank.db(), &cinema.clock, &cinema.addresses);
            let id = if saga == Checkout::TABLE {
                bring_checkout_to(state.parse().unwrap(), &first, &cinema).await
            } else {
                bring_refund_to(state.parse().unwrap(), &first, &cinema).await
            };
            cinema.clock.advance(LEASE);
            let plan = Plan {
                now: cinema.clock.now(),
                payments: payments.url().to_string(),
                bank: bank.url().to_string(),
                neighbours: cinema.addresses.clone(),
                saga: saga.to_owned(),
                id,
                state: state.to_owned(),
                disturbance,
            };
            kill(&plan).await;
            assert_eq!(unfinished(payments.db()).await.unwrap().len(), 1, "{plan:?}");
            // Another process takes it over once the dead one's lease is over.
            cinema.clock.advance(LEASE);
            let successor = service(payments.db(), bank.db(), &cinema.clock, &cinema.addresses);
            finish(&successor, &cinema, &payments, &plan).await;
            check(&cinema, &payments, &bank, &plan).await;
        }
    }
}

/// Does what is due until nothing is left. A buyer who must confirm never does, so that their time has to run out.
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

/// A checkout in this state.
async fn bring_checkout_to(state: saga::State, service: &Service, cinema: &Cinema) -> Uuid {
    let way = way_to(state).unwrap();
    let (buyer, checkout) = (customer(), service.checkout.saga());
    let hold = cinema.hold(&buyer).await;
    let bill = ChargeRequest {
        reservation_id: hold.id.clone(),
        amount: hold.total.clone(),
        payment_token: way.token.to_owned(),
        request_id: "charge".to_owned(),
    };
    let mut payment = begin(service, &buyer, &bill).await;
    // Neighbours as they are refuse nothing for the asking.
    let turned = match way.refusal {
        Some(("confirm", _)) => {
            payment = run_to(checkout, payment, saga::State::Authorised).await;
            cinema.clock.advance(SignedDuration::from_mins(11));
            cinema.take(&customer(), &hold).await;
            None
        }
        Some(_) => Some(saga::State::Captured),
        None => way.turned,
    };
    if let Some(turned) = turned {
        payment = turn_round(service, run_to(checkout, payment, turned).await).await;
    }
    run_to(checkout, payment, state).await.id.uuid()
}

/// A refund of one of two tickets in this state.
async fn bring_refund_to(state: refund::State, service: &Service, cinema: &Cinema) -> Uuid {
    let buyer = customer();
    let hold = cinema.hold(&buyer).await;
    let bill = ChargeRequest {
        reservation_id: hold.id,
        amount: hold.total,
        payment_token: "tok_approve".to_owned(),
        request_id: "charge".to_owned(),
    };
    let paid = service.checkout.finish(begin(service, &buyer, &bill).await).await.unwrap();
    let request = RefundRequest {
        payment_id: paid.id.to_string(),
        ticket_ids: vec![paid.ticket_ids[0].to_string()],
        request_id: "refund".to_owned(),
        ..RefundRequest::default()
    };
    let mut new = crate::grpc::read_refund(&admin(), &request).unwrap();
    new.terms = refund::Terms::Staff;
    let mut refund =
        service.store.request_refund(&new, Lease::new(cinema.clock.now()), cinema.clock.now()).await.unwrap();
    while refund.state != state {
        refund = service.refunds.saga().step(&refund).await.unwrap();
    }
    refund.id.uuid()
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

async fn check(cinema: &Cinema, payments: &TestDb, bank: &TestDb, plan: &Plan) {
    let violations = moviebooking_audit::audit(&cinema.databases(payments, bank)).await.unwrap();
    assert_eq!(violations, [], "{plan:?}");
    assert_eq!(audit(payments.db()).await.unwrap(), [], "{plan:?}");
    let provider = Sandbox::embedded(&sandbox_bank(bank.db(), &cinema.clock));
    let compared = reconcile(payments.db(), &provider, Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    assert_eq!((compared.differences, compared.under_way), (Vec::new(), 0), "{plan:?}");
}
