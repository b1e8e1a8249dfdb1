//! What is booked, and how it compares with what the bank lists.

use std::collections::HashMap;

use jiff::Timestamp;
use moviebooking_domain::{
    clock::Clock as _,
    id::{PaymentId, RefundId},
};
use moviebooking_proto::{
    Reason,
    payments::v1::{
        GetLedgerBalancesRequest, LedgerBalance, LedgerEntry, ListLedgerEntriesRequest,
        ledger_service_server::LedgerService as _,
    },
    theaters::v1::RefundPolicy,
};
use moviebooking_store::{Db, Engine, both_engines, sql};
use uuid::Uuid;

use super::{
    neighbours::Fault,
    world::{World, admin, customer, euro, request, staff, theater},
};
use crate::{
    audit::audit,
    grpc::read_charge,
    reconcile::{Difference, Kind, Reconciliation, book_fees, reconcile},
    runner::Saga as _,
    saga::State,
};

impl World {
    async fn balances(&self, message: GetLedgerBalancesRequest) -> HashMap<String, i64> {
        let answer =
            self.service.get_ledger_balances(request(&admin(), &message)).await.unwrap().into_inner();
        let balance = |balance: LedgerBalance| {
            assert_eq!((balance.theater_id, balance.provider), (theater().to_string(), "sandbox".to_owned()));
            (balance.account, balance.balance.unwrap().amount_minor)
        };
        answer.balances.into_iter().map(balance).collect()
    }

    /// All entries, read two at a time.
    async fn entries(&self, payment: &str) -> Vec<LedgerEntry> {
        let mut message = ListLedgerEntriesRequest {
            page_size: 2,
            payment_id: payment.to_owned(),
            ..ListLedgerEntriesRequest::default()
        };
        let mut entries = Vec::new();
        loop {
            let page =
                self.service.list_ledger_entries(request(&admin(), &message)).await.unwrap().into_inner();
            entries.extend(page.entries);
            if page.next_page_token.is_empty() {
                return entries;
            }
            message.page_token = page.next_page_token;
        }
    }

    async fn compared(&self) -> Reconciliation {
        let bank = self.provider();
        reconcile(&self.db, &*bank, Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap()
    }

    /// Payments of each kind: paid, partly refunded, fully refunded, voided, declined, and given back.
    async fn history_of_all_kinds(&self) {
        let buyer = customer();
        self.paid(&buyer, &[1000, 900]).await;
        let partly = self.paid(&buyer, &[1000, 900]).await;
        let mut refund = self.everything(&partly);
        refund.ticket_ids = partly.ticket_ids[..1].to_vec();
        self.refund(&staff(), &refund).await.unwrap();
        let fully = self.paid(&buyer, &[500]).await;
        self.refund(&staff(), &self.everything(&fully)).await.unwrap();
        for token in ["tok_capture_fails", "tok_fraud"] {
            let bill = self.bill(&self.hold(&buyer, &[700]), token);
            assert!(self.charge(&buyer, &bill).await.is_err());
        }
        self.faults.next("issue", Fault::Refused(Reason::ShowtimeCancelled), 1);
        let bill = self.bill(&self.hold(&buyer, &[300]), "tok_approve");
        assert!(self.charge(&buyer, &bill).await.is_err());
    }
}

/// What differs, without what differs from run to run.
fn kinds(result: &Reconciliation) -> Vec<(Kind, &'static str, Option<i64>, Option<i64>)> {
    let kind = |difference: &Difference| {
        let amount = |sum: &Option<crate::reconcile::Sum>| sum.as_ref().map(|sum| sum.amount_minor);
        let Difference { kind, movement, ledger, provider, .. } = difference;
        (*kind, *movement, amount(ledger), amount(provider))
    };
    result.differences.iter().map(kind).collect()
}

/// Lets the ledger be changed, as a person with all rights could.
async fn unguarded(db: &Db) {
    let statements: &[&str] = match db.engine() {
        Engine::Postgres => &["ALTER TABLE ledger DISABLE TRIGGER USER"],
        Engine::Sqlite => {
            &["DROP TRIGGER ledger_rows_are_not_changed", "DROP TRIGGER ledger_rows_are_not_deleted"]
        }
    };
    for statement in statements {
        sql(statement).execute(db).await.unwrap();
    }
}

async fn rows(db: &Db) -> Vec<String> {
    let query =
        "SELECT payment_id, seq, line, movement, debit, credit, amount, refund_id, booked_at FROM ledger";
    let row = |row: &moviebooking_store::Row| {
        let id: Uuid = row.get("payment_id").unwrap();
        let numbers: [i64; 3] = ["seq", "line", "amount"].map(|column| row.get(column).unwrap());
        let names: [String; 3] = ["movement", "debit", "credit"].map(|column| row.get(column).unwrap());
        let refund: Option<Uuid> = row.get("refund_id").unwrap();
        let time: Timestamp = row.get("booked_at").unwrap();
        format!("{id} {numbers:?} {names:?} {refund:?} {time}")
    };
    let mut rows: Vec<String> = sql(query).fetch_all(db).await.unwrap().iter().map(row).collect();
    rows.sort();
    rows
}

both_engines! {
    &crate::MIGRATIONS;

    async fn the_accounts_say_where_the_money_is(db: Db) {
        let world = World::new(db).await;
        world.history_of_all_kinds().await;
        let all = world.balances(GetLedgerBalancesRequest::default()).await;
        assert_eq!(all.values().sum::<i64>(), 0);
        // Taken: 1900, 1900, 500 and 300. Paid back: 1000, 500 and 300.
        let expected = [
            ("provider_holds", 0),
            ("buyer_holds", 0),
            ("provider_receivable", 2800),
            ("sales", -4600),
            ("refunds", 1800),
        ];
        assert_eq!(all, HashMap::from(expected.map(|(account, balance)| (account.to_owned(), balance))));
        world.check().await;

        let none = [
            GetLedgerBalancesRequest { provider: "another".to_owned(), ..Default::default() },
            GetLedgerBalancesRequest { theater_id: Uuid::new_v4().to_string(), ..Default::default() },
            GetLedgerBalancesRequest { before: Some(Default::default()), ..Default::default() },
        ];
        for message in none {
            assert!(world.balances(message).await.is_empty());
        }
    }

    async fn what_is_held_is_seen_until_it_is_taken(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[800]), "tok_approve");
        world.faults.next("confirm", Fault::Down, 1);
        assert!(world.charge(&buyer, &bill).await.is_err());
        let held = world.balances(GetLedgerBalancesRequest::default()).await;
        assert_eq!((held["provider_holds"], held["buyer_holds"]), (800, -800));
        assert!(audit(&world.db).await.unwrap().is_empty());
        world.settle().await;
        let taken = world.balances(GetLedgerBalancesRequest::default()).await;
        assert_eq!((taken["provider_holds"], taken["provider_receivable"]), (0, 800));
        world.check().await;
    }

    async fn each_entry_names_both_accounts(db: Db) {
        let world = World::new(db).await;
        world.history_of_all_kinds().await;
        let paid = world.paid(&customer(), &[700, 600]).await;
        world.refund(&staff(), &world.everything(&paid)).await.unwrap();
        let entries = world.entries(&paid.id).await;
        let sides: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.movement, &*entry.debit, &*entry.credit, entry.amount.clone().unwrap().amount_minor))
            .collect();
        assert_eq!(sides, [
            ("authorised", "provider_holds", "buyer_holds", 1300),
            ("released", "buyer_holds", "provider_holds", 1300),
            ("captured", "provider_receivable", "sales", 1300),
            ("refunded", "refunds", "provider_receivable", 1300),
        ]);
        assert!(entries[..3].iter().all(|entry| entry.refund_id.is_empty()) && !entries[3].refund_id.is_empty());
        assert_eq!(world.entries("").await.len(), rows(&world.db).await.len());
    }

    async fn what_moved_before_there_was_a_ledger_is_booked_the_same(db: Db) {
        let world = World::new(db).await;
        world.history_of_all_kinds().await;
        world.policy(Some(RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, fee_minor: 0 }));
        let (buyer, by) = (customer(), staff());
        let returned = world.paid(&buyer, &[1000, 500]).await;
        world.refund(&buyer, &world.by_tickets(&returned, &[0])).await.unwrap();
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        world.refund(&by, &world.by_amount(&returned, 10)).await.unwrap();
        let booked = rows(&world.db).await;
        assert!(booked.iter().any(|row| row.contains("fee_kept")));
        unguarded(&world.db).await;
        sql("DELETE FROM ledger").execute(&world.db).await.unwrap();
        for migration in
            [include_str!("../../migrations/0006_ledger.sql"), include_str!("../../migrations/0009_immutable_ledger.sql")]
        {
            for statement in migration.split_inclusive(";\n").filter(|statement| statement.contains("INSERT INTO")) {
                sql(statement).execute(&world.db).await.unwrap();
            }
        }
        assert_eq!(rows(&world.db).await, booked);
    }

    async fn each_difference_between_the_ledger_and_the_bank_is_named(db: Db) {
        let world = World::new(db).await;
        world.history_of_all_kinds().await;
        let good = world.compared().await;
        assert_eq!((good.equal, good.under_way, good.differences.len()), (7, 0, 0));

        let at_bank = |change: &'static str| sql(change).execute(world.bank.db());
        at_bank("DELETE FROM bank_operations WHERE operation = 'refund' AND amount = 500").await.unwrap();
        at_bank("UPDATE bank_operations SET amount = 299 WHERE operation = 'capture' AND amount = 300").await.unwrap();
        let stranger = PaymentId::new(world.clock.now());
        let (id, back) = (world.entries("").await[0].payment_id.clone(), RefundId::new(world.clock.now()));
        for (payment, key) in [(stranger.to_string(), "capture".to_owned()), (id, format!("refund:{back}"))] {
            let operation = key.split(':').next().unwrap().to_owned();
            sql("INSERT INTO bank_operations (idempotency_key, payment_id, operation, amount, currency, created_at) \
                 VALUES ($1, $2, $3, 42, 'EUR', $4)")
                .bind(format!("{payment}:{key}"))
                .bind(payment.parse::<Uuid>().unwrap())
                .bind(operation)
                .bind(world.clock.now())
                .execute(world.bank.db())
                .await
                .unwrap();
        }
        let bad = world.compared().await;
        let mut seen = kinds(&bad);
        seen.sort_by_key(|difference| format!("{difference:?}"));
        assert_eq!(seen, [
            (Kind::AmountDiffers, "captured", Some(300), Some(299)),
            (Kind::MissingHere, "captured", None, Some(42)),
            (Kind::MissingHere, "refunded", None, Some(42)),
            (Kind::MissingThere, "refunded", Some(500), None),
        ]);
        assert_eq!((bad.equal, bad.under_way), (5, 0));
        assert!(bad.differences.iter().any(|difference| difference.refund == Some(back)));
    }

    async fn what_is_about_to_be_booked_is_no_difference(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[800]), "tok_approve");
        let charge = read_charge(&buyer, &bill).unwrap();
        let mut payment = world.service.begin(buyer.user().unwrap().id, &charge).await.unwrap();
        let checkout = world.checkout();
        while payment.state != State::Confirmed {
            payment = checkout.step(&payment).await.unwrap();
        }
        checkout.perform(State::Confirmed.step().unwrap().action, &payment).await.unwrap();
        let open = world.compared().await;
        assert_eq!((open.equal, open.under_way, open.differences.len()), (0, 1, 0));
        // It happened before the time that is asked for, and is booked within it.
        world.clock.advance(crate::store::LEASE);
        world.settle().await;
        let bank = world.provider();
        let booked = reconcile(&world.db, &*bank, world.clock.now(), Timestamp::MAX).await.unwrap();
        assert_eq!((booked.equal, booked.under_way, booked.differences.len()), (1, 0, 0));
        world.check().await;
    }

    async fn the_database_refuses_to_change_what_is_booked(db: Db) {
        let world = World::new(db).await;
        world.paid(&customer(), &[700]).await;
        let booked = rows(&world.db).await;
        let mut attempts = vec!["UPDATE ledger SET amount = amount + 1", "DELETE FROM ledger"];
        if world.db.engine() == Engine::Postgres {
            attempts.push("TRUNCATE ledger");
        }
        for attempt in attempts {
            assert!(sql(attempt).execute(&world.db).await.is_err(), "{attempt}");
        }
        assert_eq!(rows(&world.db).await, booked);
    }

    async fn a_fee_that_is_kept_is_income_of_its_own(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, fee_minor: 0 }));
        let paid = world.paid(&buyer, &[1000, 500]).await;
        world.refund(&buyer, &world.by_tickets(&paid, &[0])).await.unwrap();
        let all = world.balances(GetLedgerBalancesRequest::default()).await;
        assert_eq!(all.values().sum::<i64>(), 0);
        let named = ["sales", "return_fees", "refunds", "provider_receivable"].map(|account| all[account]);
        assert_eq!(named, [-1400, -100, 900, 600]);
        let entries = world.entries(&paid.id).await;
        let kept = entries.iter().find(|entry| entry.movement == "fee_kept").unwrap();
        assert_eq!(kept.amount, Some(euro(100)));
        let back = entries.iter().find(|entry| entry.movement == "refunded").unwrap();
        assert_eq!(kept.refund_id, back.refund_id);
        world.check().await;
    }

    async fn what_the_provider_keeps_is_booked_once_from_its_list(db: Db) {
        let world = World::new(db).await;
        world.history_of_all_kinds().await;
        let (bank, ever) = (world.provider(), (Timestamp::UNIX_EPOCH, Timestamp::MAX));
        let found = world.compared().await;
        assert_eq!((found.new_fees.len(), found.differences.len()), (4, 0));
        // Whoever else does the same meanwhile.
        for _ in 0..2 {
            book_fees(&world.db, &found, world.clock.now()).await.unwrap();
        }
        let again = reconcile(&world.db, &*bank, ever.0, ever.1).await.unwrap();
        assert_eq!((again.equal, again.new_fees.len(), again.differences.len()), (7, 0, 0));
        // 1% of 1900, 1900, 500 and 300.
        let all = world.balances(GetLedgerBalancesRequest::default()).await;
        assert_eq!((all["provider_fees"], all["provider_receivable"]), (46, 2800 - 46));
        assert_eq!(all.values().sum::<i64>(), 0);
        world.check().await;
        // A fee that the bank lists with another amount later.
        sql("UPDATE bank_operations SET amount = 600 WHERE operation = 'capture' AND amount = 500")
            .execute(world.bank.db())
            .await
            .unwrap();
        unguarded(&world.db).await;
        sql("UPDATE ledger SET amount = 600 WHERE movement = 'captured' AND amount = 500")
            .execute(&world.db)
            .await
            .unwrap();
        let other = kinds(&world.compared().await);
        assert_eq!(other, [(Kind::AmountDiffers, "provider_fee", Some(5), Some(6))]);
    }

    async fn the_audit_finds_what_is_not_booked_as_it_happened(db: Db) {
        let world = World::new(db).await;
        unguarded(&world.db).await;
        for (change, found) in [
            ("DELETE FROM ledger WHERE movement = 'captured'", "0 taken"),
            ("UPDATE ledger SET amount = amount - 1 WHERE movement = 'captured'", "another amount"),
            ("UPDATE payments SET refunded = 1, refund_reserved = 1", "were refunded"),
            ("UPDATE payments SET state = 'VOIDED'", "is VOIDED"),
            ("DELETE FROM payment_tickets", "were ordered"),
            ("DELETE FROM payment_events WHERE kind = 'captured'", "never happened"),
            ("UPDATE ledger SET provider = 'another'", "another account"),
            ("UPDATE payments SET fees = 1", "kept as fees"),
        ] {
            world.paid(&customer(), &[700, 600]).await;
            assert_eq!(audit(&world.db).await.unwrap(), []);
            sql(change).execute(&world.db).await.unwrap();
            let violations = audit(&world.db).await.unwrap();
            assert!(violations.iter().any(|violation| violation.to_string().contains(found)), "{violations:?}");
            for table in ["ledger", "payment_events", "payment_tickets", "payments"] {
                let mut delete = sql("DELETE FROM ");
                delete.push(table);
                delete.execute(&world.db).await.unwrap();
            }
        }
    }
}
