//! Amounts as Stripe has them (<https://docs.stripe.com/currencies>): minor units, with exceptions.

use moviebooking_domain::money::{Currency, Money};

/// The smallest amount that Stripe moves, in minor units.
pub(super) fn unit(currency: Currency) -> i64 {
    match currency.code() {
        // A minor unit that Stripe has not.
        "MGA" => 100,
        // Three digits, of which the last must be 0.
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 10,
        _ => 1,
    }
}

/// The amount in Stripe's units; nothing when Stripe cannot express it.
pub(super) fn to_stripe(amount: Money) -> Option<i64> {
    if amount.minor % unit(amount.currency) != 0 {
        return None;
    }
    match amount.currency.code() {
        // No minor unit any more, and yet two digits at Stripe.
        "ISK" | "UGX" => amount.minor.checked_mul(100),
        "MGA" => Some(amount.minor / 100),
        _ => Some(amount.minor),
    }
}

/// The amount of Stripe's units in a currency; nothing when that is not one of ours.
pub(super) fn from_stripe(units: i64, currency: &str) -> Option<Money> {
    let currency = currency.to_ascii_uppercase().parse().ok()?;
    let amount = Money::new(units, currency);
    Some(match amount.currency.code() {
        "ISK" | "UGX" => Money::new(units / 100, currency),
        "MGA" => Money::new(units.checked_mul(100)?, currency),
        _ => amount,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_units() {
        for (code, minor, units) in [
            ("EUR", 1099, Some(1099)),
            ("JPY", 500, Some(500)),
            ("ISK", 500, Some(50_000)),
            ("UGX", 7, Some(700)),
            ("MGA", 10_000, Some(100)),
            ("MGA", 10_050, None),
            ("KWD", 5120, Some(5120)),
            ("KWD", 5124, None),
        ] {
            let amount = Money::new(minor, code.parse().unwrap());
            assert_eq!(to_stripe(amount), units, "{code}");
            if let Some(units) = units {
                assert_eq!(from_stripe(units, &code.to_lowercase()), Some(amount));
            }
        }
        assert_eq!(from_stripe(1, "doubloon"), None);
    }
}
