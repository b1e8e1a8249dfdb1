//! The requests, as `stripe-mock` takes them: it has no memory, so what it answers is always the same.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use super::{charged, euro, payment, refund, stripe};
use crate::provider::{Charged, Found, Operation, Provider as _, ProviderError, TransactionQuery};

/// Names the program.
const VARIABLE: &str = "MOVIEBOOKING_TEST_STRIPE_MOCK";

/// A running `stripe-mock`, which refuses requests for another version of the API than its own.
struct Mock {
    child: Child,
    url: String,
}

impl Mock {
    async fn start() -> Self {
        let program = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} is not set: name stripe-mock v0.197.0, or run `cargo xtask test --install`")
        });
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(program)
            .args(["-strict-version-check", "-http-addr", &address.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), listening).await.unwrap();
        Self { child, url: format!("http://{address}") }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every payment intent of `stripe-mock` waits for a payment method, before and after everything.
fn as_the_mock_always_answers() -> ProviderError {
    ProviderError::Unknown("the payment intent is RequiresPaymentMethod".to_owned())
}

#[tokio::test]
async fn every_request_is_as_stripe_describes_it() {
    let mock = Mock::start().await;
    let mut stripe = stripe(&mock.url);
    for token in ["pm_card_visa", "ctoken_1"] {
        for return_url in [None, Some("https://cinema.example/paid".to_owned())] {
            stripe.return_url = return_url;
            let authorised = stripe.authorise(payment(), euro(1099), &token.into()).await;
            assert_eq!(authorised.err(), Some(as_the_mock_always_answers()), "{token}");
        }
    }
    let unknown = stripe.authorise(payment(), euro(1099), &"4242424242424242".into()).await;
    assert_eq!(unknown.err(), Some(ProviderError::InvalidToken));
    assert_eq!(stripe.capture(&charged(), euro(1099)).await, Err(as_the_mock_always_answers()));
    assert_eq!(stripe.void(&charged()).await, Err(as_the_mock_always_answers()));
    assert_eq!(stripe.refund(&charged(), refund(), euro(99)).await, Ok(()));
    for operation in
        [Operation::Capture(payment()), Operation::Void(payment()), Operation::Refund(payment(), refund())]
    {
        let found = stripe.look_up(&charged(), operation).await.unwrap();
        assert!(matches!(found, Found::Nothing), "{found:?}");
    }
    // Found by the metadata, which those of `stripe-mock` have not.
    let unnamed = Charged { reference: String::new(), ..charged() };
    let found = stripe.look_up(&unnamed, Operation::Authorise(payment())).await.unwrap();
    assert!(matches!(found, Found::Nothing), "{found:?}");
    let query = TransactionQuery {
        from: "2026-11-01T00:00:00Z".parse().unwrap(),
        to: "2026-12-01T00:00:00Z".parse().unwrap(),
        after: Some("txn_1".to_owned()),
    };
    let page = stripe.transactions(&query).await.unwrap();
    assert_eq!((page.transactions.len(), page.next), (1, None));
    assert_eq!(page.transactions[0].payment, None);
}
