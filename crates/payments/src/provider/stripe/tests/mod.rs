//! Against `stripe-mock`, which checks each request by Stripe's own description of the API, and against answers and
//! events in the shapes that Stripe documents.

mod answers;
mod events;
mod mock;

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use uuid::Uuid;

use super::{Stripe, client::Client};
use crate::provider::Charged;

/// Our payment in all examples.
const PAYMENT: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
const REFUND: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002);

fn payment() -> PaymentId {
    PAYMENT.into()
}

fn refund() -> RefundId {
    REFUND.into()
}

fn charged() -> Charged {
    Charged { id: payment(), reference: "pi_1".to_owned() }
}

fn euro(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn stripe(url: &str) -> Stripe {
    moviebooking_serve::install_crypto_provider();
    let client = Client::new(url, "sk_test_123".into()).unwrap();
    Stripe { client, webhook_secret: Some("whsec_test".into()), return_url: None }
}
