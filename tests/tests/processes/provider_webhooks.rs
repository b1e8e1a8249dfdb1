//! What a payment provider tells on its own, signed with its secret, through the gateway.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::clock::{Clock as _, SystemClock};
use moviebooking_sandbox_bank::{BankSecret, SIGNATURE_HEADER};
use moviebooking_tests::{Answer, Processes, Rest, key};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// How often one webhook comes, and over how many connections at once.
const REPETITIONS: usize = 10_000;
const CONNECTIONS: usize = 64;

/// The provider, as the platform knows it.
struct Provider {
    secret: BankSecret,
    line: Rest,
}

impl Provider {
    fn new(processes: &Processes) -> Self {
        let secret = std::fs::read_to_string(processes.platform.folder().join("bank-secret")).unwrap();
        let secret = BankSecret::new(secret.trim().to_owned().into()).unwrap();
        Self { secret, line: processes.system.rest() }
    }

    /// Sends a body that is signed at this time.
    async fn tell(&self, body: &str, at: Timestamp) -> Answer {
        let request = self.line.request(Method::POST, "/payments/webhooks/sandbox");
        let request = request.header(SIGNATURE_HEADER, self.secret.sign(body, at));
        self.line.send(request.header(CONTENT_TYPE, "application/json").body(body.to_owned())).await
    }
}

fn event(kind: &str, payment: &str) -> String {
    let amount = json!({"minor": 900, "currency": "EUR"});
    let time = SystemClock.now().to_string();
    json!({"id": key(), "type": kind, "payment_id": payment, "amount": amount, "time": time}).to_string()
}

/// A payment that waits for its buyer.
async fn waiting(buyer: &Rest, showtime: &str) -> Value {
    let wanted = json!({"showtimeId": showtime, "bestAvailable": {"count": 1}});
    let hold = buyer.post("/reservations", wanted).await.ok();
    let bill = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_confirm"});
    let payment = buyer.post("/payments/charge", bill).await.ok();
    assert_eq!(payment["state"], "ACTION_REQUIRED");
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_repetitions_of_a_webhook_are_one() {
    let processes = Processes::shared();
    let provider = Provider::new(processes);
    let buyer = processes.system.new_customer().await;
    let payment = waiting(&buyer, &processes.system.showtime().await).await;
    let body = event("payment.authorised", payment["id"].as_str().unwrap());
    let sent = AtomicUsize::new(0);
    let outcomes = join_all((0..CONNECTIONS).map(|_| async {
        let mut outcomes = Vec::new();
        while sent.fetch_add(1, Ordering::Relaxed) < REPETITIONS {
            // Each is signed when it is sent, as providers do it.
            let answer = provider.tell(&body, SystemClock.now()).await.ok();
            outcomes.push(answer["outcome"].as_str().unwrap().to_owned());
        }
        outcomes
    }));
    let mut counted: HashMap<String, usize> = HashMap::new();
    for outcome in outcomes.await.into_iter().flatten() {
        *counted.entry(outcome).or_default() += 1;
    }
    let expected = [("APPLIED".to_owned(), 1), ("DUPLICATE".to_owned(), REPETITIONS - 1)];
    assert_eq!(counted, HashMap::from(expected));
    // It claims what is not so: the buyer has not confirmed.
    let id = payment["id"].as_str().unwrap();
    assert_eq!(buyer.get(&format!("/payments/{id}")).await.ok()["state"], "ACTION_REQUIRED");
}

#[tokio::test]
async fn what_is_signed_and_makes_no_sense_has_one_clear_answer() {
    let processes = Processes::shared();
    let provider = Provider::new(processes);
    let now = SystemClock.now();
    for old in [now - SignedDuration::from_mins(6), now + SignedDuration::from_mins(6)] {
        let answer = provider.tell(&event("payment.captured", &key()), old).await;
        answer.problem(400, "WEBHOOK_SIGNATURE_INVALID");
    }
    for (kind, payment) in [("weather.changed", key()), ("payment.captured", key())] {
        assert_eq!(provider.tell(&event(kind, &payment), now).await.ok()["outcome"], "IGNORED", "{kind}");
    }
    for nonsense in ["{}", "[]", "null", r#"{"id":"evt:1","type":"payment.captured","payment_id":"nobody"}"#]
    {
        provider.tell(nonsense, now).await.problem(400, "MALFORMED_BODY");
    }
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    provider.tell(&large, now).await.problem(413, "BODY_TOO_LARGE");
}
