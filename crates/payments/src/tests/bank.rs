//! The sandbox bank keeps its books, whoever asks for what how often.

use std::time::Duration;

use futures::future::join_all;
use moviebooking_domain::{
    clock::{ManualClock, SharedClock},
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_store::{Db, both_engines, sql};
use uuid::Uuid;

use crate::provider::{
    Found, Operation, Provider as _, ProviderError,
    sandbox::{MIGRATIONS, SandboxBank},
};

fn bank(db: &Db) -> SandboxBank {
    let clock: SharedClock = ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap());
    SandboxBank::new(db.clone(), clock, Duration::ZERO)
}

fn payment() -> PaymentId {
    PaymentId::from(Uuid::new_v4())
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
        let token = "tok_approve".into();
        for outcome in join_all((0..8).map(|_| bank.authorise(id, euro(900), &token))).await {
            outcome.unwrap();
        }
        for outcome in join_all((0..8).map(|_| bank.capture(id, euro(900)))).await {
            outcome.unwrap();
        }
        for outcome in join_all((0..8).map(|_| bank.refund(id, back, euro(400)))).await {
            outcome.unwrap();
        }
        let expected = [("authorise", 900), ("capture", 900), ("refund", 400)];
        assert_eq!(operations(&db, id).await, expected.map(|(name, amount)| (name.to_owned(), amount)));
        for operation in [Operation::Authorise(id), Operation::Capture(id), Operation::Refund(id, back)] {
            assert_eq!(bank.look_up(operation).await.unwrap(), Found::Done);
        }
        assert_eq!(bank.look_up(Operation::Void(id)).await.unwrap(), Found::Nothing);
    }

    async fn no_more_than_was_authorised_is_taken_nor_more_than_was_taken_given_back(db: Db) {
        let (bank, id) = (bank(&db), payment());
        assert_eq!(bank.capture(id, euro(1)).await, declined("capture_failed"));
        assert_eq!(bank.void(id).await, declined("nothing_authorised"));
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        assert_eq!(bank.capture(id, euro(901)).await, declined("capture_failed"));
        assert_eq!(bank.capture(id, Money::new(900, "USD".parse().unwrap())).await, declined("capture_failed"));
        assert_eq!(bank.refund(id, refund(), euro(1)).await, declined("more_than_captured"));
        bank.capture(id, euro(900)).await.unwrap();
        assert_eq!(bank.void(id).await, declined("already_captured"));
        let many: Vec<RefundId> = (0..10).map(|_| refund()).collect();
        let refunds = join_all(many.into_iter().map(|id_of_refund| bank.refund(id, id_of_refund, euro(200)))).await;
        assert_eq!(refunds.iter().filter(|refund| refund.is_ok()).count(), 4);
        assert!(refunds.into_iter().all(|refund| refund.is_ok() || refund == declined("more_than_captured")));
    }

    async fn what_was_voided_cannot_be_captured(db: Db) {
        let (bank, id) = (bank(&db), payment());
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        bank.void(id).await.unwrap();
        bank.void(id).await.unwrap();
        assert_eq!(bank.capture(id, euro(900)).await, declined("capture_failed"));
    }

    async fn of_a_capture_and_a_void_at_once_one_succeeds(db: Db) {
        let bank = bank(&db);
        for _ in 0..8 {
            let id = payment();
            bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
            let (capture, void) = tokio::join!(bank.capture(id, euro(900)), bank.void(id));
            assert!(capture.is_ok() != void.is_ok(), "{capture:?} {void:?}");
        }
    }

    async fn a_key_is_for_one_amount(db: Db) {
        let (bank, id) = (bank(&db), payment());
        bank.authorise(id, euro(900), &"tok_approve".into()).await.unwrap();
        assert_eq!(bank.authorise(id, euro(901), &"tok_approve".into()).await, declined("key_reused"));
    }

    async fn tokens_fail_as_documented(db: Db) {
        let bank = bank(&db);
        for (token, code) in
            [("tok_insufficient_funds", "insufficient_funds"), ("tok_expired_card", "expired_card"), ("tok_fraud", "fraud")]
        {
            let id = payment();
            assert_eq!(bank.authorise(id, euro(1), &token.into()).await, declined(code));
            assert_eq!(bank.authorise(id, euro(1), &token.into()).await, declined(code));
            assert_eq!(bank.look_up(Operation::Authorise(id)).await.unwrap(), Found::Declined(code.to_owned()));
        }
        for token in ["", "tok", "TOK_APPROVE", "4242424242424242"] {
            assert_eq!(bank.authorise(payment(), euro(1), &token.into()).await, Err(ProviderError::InvalidToken));
        }
        for (token, after_the_first) in [
            ("tok_timeout_before_effect", Found::Nothing),
            ("tok_timeout_after_effect", Found::Done),
            ("tok_reply_lost", Found::Done),
        ] {
            let id = payment();
            let first = bank.authorise(id, euro(1), &token.into()).await;
            assert!(matches!(first, Err(ProviderError::Unknown(_))), "{token}");
            assert_eq!(bank.look_up(Operation::Authorise(id)).await.unwrap(), after_the_first, "{token}");
            bank.authorise(id, euro(1), &token.into()).await.unwrap();
        }
        let id = payment();
        bank.authorise(id, euro(1), &"tok_reply_lost".into()).await.unwrap_err();
        for operation in [Operation::Capture(id), Operation::Refund(id, RefundId::from(id.uuid()))] {
            for first in [true, false] {
                let outcome = match operation {
                    Operation::Capture(id) => bank.capture(id, euro(1)).await,
                    _ => bank.refund(id, RefundId::from(id.uuid()), euro(1)).await,
                };
                assert_eq!(outcome.is_err(), first, "{operation}");
            }
        }
        let id = payment();
        bank.authorise(id, euro(1), &"tok_capture_fails".into()).await.unwrap();
        assert_eq!(bank.capture(id, euro(1)).await, declined("capture_failed"));
        bank.void(id).await.unwrap();
    }
}
