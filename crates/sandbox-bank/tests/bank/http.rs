//! What is answered to whom.

use jiff::SignedDuration;
use moviebooking_sandbox_bank::{MIGRATIONS, wire::Answer};
use moviebooking_store::both_engines;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

both_engines! {
    &MIGRATIONS;

    async fn only_who_knows_the_secret_moves_money(db: Db) {
        let world = World::new(db, None).await;
        let body = json!({"id": Uuid::new_v4(), "amount": {"minor": 1, "currency": "EUR"}, "token": "tok_approve"});
        for authorization in [None, Some("Bearer "), Some("Bearer a secret of the test"), Some("a secret of the tests")] {
            let mut request = world.http.post(format!("{}/v1/payments", world.url)).json(&body);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            assert_eq!(request.send().await.unwrap().status(), 401, "{authorization:?}");
        }
        let transactions = world.http.get(format!("{}/v1/transactions", world.url)).send().await.unwrap();
        assert_eq!(transactions.status(), 401);
    }

    async fn what_is_not_a_request_is_refused(db: Db) {
        let world = World::new(db, None).await;
        let amount = json!({"minor": 1, "currency": "EUR"});
        for (body, status) in [
            (json!({}), 422),
            (json!({"id": "1", "amount": amount, "token": "tok_approve"}), 422),
            (json!({"id": Uuid::new_v4(), "amount": {"minor": -1, "currency": "EUR"}, "token": "tok_approve"}), 422),
            (json!({"id": Uuid::new_v4(), "amount": amount, "token": "tok_approve", "more": 1}), 422),
            (json!({"id": Uuid::new_v4(), "amount": amount, "token": "tok".repeat(10_000)}), 413),
        ] {
            assert_eq!(world.send(Method::POST, "/v1/payments", &body).await.status(), status, "{body:.100}");
        }
        assert_eq!(world.send(Method::POST, "/v1/payments/1/capture", &json!({"amount": amount})).await.status(), 400);
        let path = format!("/v1/payments/{}/operations/steal", Uuid::new_v4());
        assert_eq!(world.send(Method::GET, &path, &()).await.status(), 404);
    }

    async fn each_answer_has_its_status(db: Db) {
        let world = World::new(db, None).await;
        for (token, status) in [
            ("tok_approve", 200),
            ("tok_confirm", 200),
            ("tok_fraud", 402),
            ("tok_reply_lost", 504),
            ("tok_timeout_before_effect", 504),
            ("tok_down_5", 503),
            ("4242424242424242", 422),
        ] {
            assert_eq!(world.authorise(Uuid::new_v4(), token).await.status(), status, "{token}");
        }
    }

    async fn an_outage_lasts_as_long_as_its_token_says(db: Db) {
        let (world, id) = (World::new(db, None).await, Uuid::new_v4());
        assert_eq!(world.authorise(id, "tok_down_5").await.status(), 503);
        world.clock.advance(SignedDuration::from_secs(4));
        assert_eq!(world.authorise(id, "tok_down_5").await.status(), 503);
        assert_eq!(world.look_up(id, "authorise").await, Answer::Nothing);
        world.clock.advance(SignedDuration::from_secs(1));
        assert_eq!(world.authorise(id, "tok_down_5").await.status(), 200);
        assert_eq!(world.look_up(id, "authorise").await, Answer::Done);
    }

    async fn a_buyer_decides_once_on_a_page_that_nobody_can_guess(db: Db) {
        let world = World::new(db, None).await;
        for (decision, expected) in
            [("approve", Answer::Done), ("decline", Answer::Declined { code: "confirmation_declined".to_owned() })]
        {
            let id = Uuid::new_v4();
            let Answer::ActionRequired { url } = world.authorise(id, "tok_confirm").await.json().await.unwrap() else {
                panic!("the buyer is not asked");
            };
            let guessed = format!("{}/confirm/{id}/{}", world.url, Uuid::new_v4());
            assert_eq!(world.http.get(guessed).send().await.unwrap().status(), 404);
            let page = world.http.get(&url).send().await.unwrap();
            assert_eq!((page.status().as_u16(), page.headers()["cache-control"].to_str().unwrap()), (200, "no-store"));
            assert!(page.text().await.unwrap().contains("value=\"approve\""));
            let decide = || world.http.post(&url).form(&[("decision", decision)]).send();
            assert_eq!(decide().await.unwrap().status(), 200);
            assert_eq!(decide().await.unwrap().status(), 410);
            assert_eq!(world.http.get(&url).send().await.unwrap().status(), 410);
            assert_eq!(world.look_up(id, "authorise").await, expected);
            // The merchant who asks again gets the same answer.
            let again: Answer = world.authorise(id, "tok_confirm").await.json().await.unwrap();
            assert_eq!(again, expected);
        }
    }

    async fn what_was_withdrawn_cannot_be_confirmed(db: Db) {
        let (world, id) = (World::new(db, None).await, Uuid::new_v4());
        let Answer::ActionRequired { url } = world.authorise(id, "tok_confirm").await.json().await.unwrap() else {
            panic!("the buyer is not asked");
        };
        for _ in 0..2 {
            let void = world.send(Method::POST, &format!("/v1/payments/{id}/void"), &()).await;
            assert_eq!(void.json::<Answer>().await.unwrap(), Answer::Done);
        }
        let decide = world.http.post(&url).form(&[("decision", "approve")]).send().await.unwrap();
        assert_eq!(decide.status(), 410);
        assert_eq!(world.look_up(id, "authorise").await, Answer::Declined { code: "withdrawn".to_owned() });
    }

    async fn of_a_confirmation_and_a_void_at_once_nothing_stays_held(db: Db) {
        let world = World::new(db, None).await;
        for _ in 0..8 {
            let id = Uuid::new_v4();
            let Answer::ActionRequired { url } = world.authorise(id, "tok_confirm").await.json().await.unwrap() else {
                panic!("the buyer is not asked");
            };
            let path = format!("/v1/payments/{id}/void");
            let decide = world.http.post(&url).form(&[("decision", "approve")]).send();
            let (decided, voided) = tokio::join!(decide, world.send(Method::POST, &path, &()));
            assert_eq!(voided.json::<Answer>().await.unwrap(), Answer::Done);
            let capture = json!({"amount": {"minor": 900, "currency": "EUR"}});
            let capture = world.send(Method::POST, &format!("/v1/payments/{id}/capture"), &capture).await;
            assert_eq!(capture.status(), 402, "{}", decided.unwrap().status());
        }
    }
}
