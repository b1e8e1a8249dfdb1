//! The sandbox bank keeps its books, whoever asks for what how often.

use std::time::Duration;

use futures::future::join_all;
use moviebooking_domain::{
    clock::{ManualClock, SharedClock},
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_sandbox_bank::{Bank, BankSecret, MIGRATIONS, Settings};
use moviebooking_store::{Db, both_engines, sql};
use uuid::Uuid;

use crate::provider::{
    Charged, Found, Movement, Operation, Provider as _, ProviderError, TransactionPage, TransactionQuery,
    sandbox::Sandbox,
};

fn bank(db: &Db) -> Sandbox {
    let clock: SharedClock = ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap());
    let settings = Settings {
        secret: BankSecret::random(),
        public_url: "http://bank".to_owned(),
        webhook_url: None,
        slow_reply: Duration::ZERO,
    };
    Sandbox::embedded(&Bank::new(db.clone(), clock, settings))
}

fn payment() -> PaymentId {
    PaymentId::from(Uuid::new_v4())
}

fn charged(id: PaymentId) -> Charged {
    Charged { id, reference: id.to_string() }
}

fn refund() -> RefundId {
    RefundId::from(Uuid::new_v4())
}

fn euro(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn declined<T>(code: &str) -> Result<T, ProviderError> {
    Err(ProviderError::Declined(code.to_owned()))
}

/// The rows of the ledger of one payment.
async fn operations(db: &Db, payment: PaymentId) -> Vec<(String, i64)> {
    let query =
        sql("SELECT operation, amount FROM bank_operations WHERE payment_id = $1 ORDER BY idempotency_key");
    let rows = query.bind(payment).fetch_all(db).await.unwrap();
    rows.iter().map(|row| (row.get("operation").unwrap(), row.get("amount").unwrap())).collect()
}

both_engines! {
    &MIGRATIONS;

    async fn each_operation_is_carried_out_once_however_often_it_is_asked_for(db: Db) {
        let (bank, id, back) = (bank(&db), payment(), refund());
        let paid = charged(id);
        let token = "tok_approve".into();
        for outcome in join_all((0..8).map(|_| bank.authorise(id, euro(900), &token))).await {
            outcome.unwrap();
        }
        for outcome in join_all((0..8).map(|_| bank.capture(&paid, euro(900)))).await {
            outcome.unwrap();
        }
        for outcome in join_all((0..8).map(|_| bank.refund(&paid, back, euro(400)))).await {
            outcome.unwrap();
        }
        let expected = [("authorise", 900), ("capture", 900), ("refund", 400)];
        assert_eq!(operations(&db, id).await, expected.map(|(name, amount)| (name.to_owned(), amount)));
        for operation in [Operation::Authorise(id), Operation::Capture(id), Operation::Refund(id, back)] {
            let found = bank.look_up(&charged(id), operation).await.unwrap();
            assert!(matches!(found, Found::Done | Found::Authorisation(_)), "{found:?}");
        }
        let found = bank.look_up(&charged(id), Operation::Void(id)).await.unwrap();
        assert!(matches!(found, Found::Nothing), "{found:?}");
    }

    async fn no_more_than_was_authorised_is_taken_nor_more_than_was_taken_given_back(db: Db) {
        let (bank, id) = (bank(&db), payment());
        assert_eq!(bank.capture(&charged(id), euro(1)).await, declined("capture_failed"));
        assert_eq!(bank.void(&charged(id)).await, declined("nothing_authorised"));
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        assert_eq!(bank.capture(&charged(id), euro(901)).await, declined("capture_failed"));
        assert_eq!(bank.capture(&charged(id), Money::new(900, "USD".parse().unwrap())).await, declined("capture_failed"));
        assert_eq!(bank.refund(&charged(id), refund(), euro(1)).await, declined("more_than_captured"));
        bank.capture(&charged(id), euro(900)).await.unwrap();
        assert_eq!(bank.void(&charged(id)).await, declined("already_captured"));
        let paid = charged(id);
        let many: Vec<RefundId> = (0..10).map(|_| refund()).collect();
        let refunds = join_all(many.into_iter().map(|id_of_refund| bank.refund(&paid, id_of_refund, euro(200)))).await;
        assert_eq!(refunds.iter().filter(|refund| refund.is_ok()).count(), 4);
        assert!(refunds.into_iter().all(|refund| refund.is_ok() || refund == declined("more_than_captured")));
    }

    async fn what_was_voided_cannot_be_captured(db: Db) {
        let (bank, id) = (bank(&db), payment());
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        bank.void(&charged(id)).await.unwrap();
        bank.void(&charged(id)).await.unwrap();
        assert_eq!(bank.capture(&charged(id), euro(900)).await, declined("capture_failed"));
    }

    async fn of_a_capture_and_a_void_at_once_one_succeeds(db: Db) {
        let bank = bank(&db);
        for _ in 0..8 {
            let id = payment();
            bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
            let held = charged(id);
            let (capture, void) = tokio::join!(bank.capture(&held, euro(900)), bank.void(&held));
            assert!(capture.is_ok() != void.is_ok(), "{capture:?} {void:?}");
        }
    }

    async fn a_key_is_for_one_amount(db: Db) {
        let (bank, id) = (bank(&db), payment());
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        assert_eq!(bank.authorise(id, euro(901), &"tok_approve".into()).await.map(drop), declined("key_reused"));
    }

    async fn tokens_fail_as_documented(db: Db) {
        let bank = bank(&db);
        for (token, code) in
            [("tok_insufficient_funds", "insufficient_funds"), ("tok_expired_card", "expired_card"), ("tok_fraud", "fraud")]
        {
            let id = payment();
            assert_eq!(bank.authorise(id, euro(1), &token.into()).await.map(drop), declined(code));
            assert_eq!(bank.authorise(id, euro(1), &token.into()).await.map(drop), declined(code));
            let found = bank.look_up(&charged(id), Operation::Authorise(id)).await.unwrap();
            assert!(matches!(&found, Found::Declined(found) if found == code), "{found:?}");
        }
        for token in ["", "tok", "TOK_APPROVE", "4242424242424242"] {
            assert_eq!(bank.authorise(payment(), euro(1), &token.into()).await.map(drop), Err(ProviderError::InvalidToken));
        }
        for (token, after_the_first) in [
            ("tok_timeout_before_effect", false),
            ("tok_timeout_after_effect", true),
            ("tok_reply_lost", true),
        ] {
            let id = payment();
            let first = bank.authorise(id, euro(1), &token.into()).await;
            assert!(matches!(first, Err(ProviderError::Unknown(_))), "{token}");
            let found = bank.look_up(&charged(id), Operation::Authorise(id)).await.unwrap();
            assert_eq!(matches!(found, Found::Authorisation(_)), after_the_first, "{token}");
            bank.authorise(id, euro(1), &token.into()).await.unwrap();
        }
        let id = payment();
        bank.authorise(id, euro(1), &"tok_reply_lost".into()).await.unwrap_err();
        for operation in [Operation::Capture(id), Operation::Refund(id, RefundId::from(id.uuid()))] {
            for first in [true, false] {
                let outcome = match operation {
                    Operation::Capture(id) => bank.capture(&charged(id), euro(1)).await,
                    _ => bank.refund(&charged(id), RefundId::from(id.uuid()), euro(1)).await,
                };
                assert_eq!(outcome.is_err(), first, "{operation}");
            }
        }
        let id = payment();
        bank.authorise(id, euro(1), &"tok_capture_fails".into()).await.unwrap();
        assert_eq!(bank.capture(&charged(id), euro(1)).await, declined("capture_failed"));
        bank.void(&charged(id)).await.unwrap();
    }

    async fn the_list_of_transactions_has_each_movement_of_money_once(db: Db) {
        let bank = bank(&db);
        let from = "2026-11-22T18:00:00Z".parse().unwrap();
        let mut expected = Vec::new();
        for _ in 0..130 {
            let id = payment();
            bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
            bank.capture(&charged(id), euro(900)).await.unwrap();
            expected.push((id, Movement::Capture));
        }
        let (paid, back) = (expected[0].0, refund());
        bank.refund(&charged(paid), back, euro(900)).await.unwrap();
        expected.push((paid, Movement::Refund(Some(back))));
        let mut query = TransactionQuery { from, to: "2026-11-22T18:00:01Z".parse().unwrap(), after: None };
        let mut listed = Vec::new();
        loop {
            let page = bank.transactions(&query).await.unwrap();
            listed.extend(page.transactions.iter().map(|transaction| (transaction.payment.unwrap(), transaction.movement)));
            assert!(page.transactions.iter().all(|transaction| transaction.amount == euro(900)));
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(listed.len(), expected.len());
        assert!(expected.iter().all(|movement| listed.contains(movement)));
        let later = TransactionQuery { from: query.to, after: None, ..query.clone() };
        assert_eq!(bank.transactions(&later).await.unwrap(), TransactionPage::default());
        let earlier = TransactionQuery { from: "2026-11-01T00:00:00Z".parse().unwrap(), to: from, after: None };
        assert_eq!(bank.transactions(&earlier).await.unwrap(), TransactionPage::default());
    }
}
