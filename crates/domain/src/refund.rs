//! What buyers get back for tickets that they return: the policy of a theater, and its arithmetic.
//!
//! The fee is reckoned for each ticket by itself: its share of the price, rounded half up to a whole minor unit, plus the
//! fixed part, and never more than the price. So it does not matter in how many refunds tickets are returned, and what is
//! paid back and what is kept always add up to the price.

use jiff::{SignedDuration, Timestamp};

/// Until when buyers may return tickets, and what is kept of the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundPolicy {
    /// So long before the start they may, 0 to [`Self::MOST_MINUTES`].
    pub until_minutes_before_start: i32,
    /// The share of the price that is kept, in hundredths of a percent: 0 to [`Self::WHOLE`].
    pub fee_basis_points: i32,
    /// What is kept of each ticket besides, in minor units of the theater's currency; not negative.
    pub fee_minor: i64,
}

impl RefundPolicy {
    /// Thirty days.
    pub const MOST_MINUTES: i32 = 30 * 24 * 60;
    /// All of the price, in hundredths of a percent.
    pub const WHOLE: i32 = 10_000;

    /// What is kept of a ticket's price, in minor units: 0 to `price`.
    pub fn fee(&self, price: i64) -> i64 {
        let whole = i128::from(Self::WHOLE);
        let share = (2 * i128::from(price) * i128::from(self.fee_basis_points) + whole) / (2 * whole);
        let fee = share + i128::from(self.fee_minor);
        i64::try_from(fee).unwrap_or(i64::MAX).clamp(0, price.max(0))
    }

    /// The end of the time in which tickets for a showtime that starts at `start` are taken back.
    pub fn ends_at(&self, start: Timestamp) -> Timestamp {
        let before = SignedDuration::from_mins(i64::from(self.until_minutes_before_start));
        start.checked_sub(before).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(fee_basis_points: i32, fee_minor: i64) -> RefundPolicy {
        RefundPolicy { until_minutes_before_start: 60, fee_basis_points, fee_minor }
    }

    #[test]
    fn a_share_is_rounded_half_up_and_the_fee_is_at_most_the_price() {
        let fees =
            [(1_150, 1_000, 0, 115), (1_155, 1_000, 0, 116), (1_154, 1_000, 0, 115), (333, 3_333, 0, 111)];
        for (price, points, fixed, fee) in fees {
            assert_eq!(policy(points, fixed).fee(price), fee, "{points} of {price}");
        }
        assert_eq!(policy(0, 250).fee(1_150), 250);
        assert_eq!(policy(1_000, 100).fee(1_000), 200);
        assert_eq!(policy(0, 250).fee(200), 200);
        assert_eq!(policy(10_000, 0).fee(1_150), 1_150);
        assert_eq!(policy(10_000, 5).fee(0), 0);
    }

    #[test]
    fn the_time_ends_before_the_start() {
        let start: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        assert_eq!(policy(0, 0).ends_at(start).to_string(), "2026-11-22T19:00:00Z");
        assert_eq!(policy(0, 0).ends_at(Timestamp::MIN), Timestamp::MIN);
    }

    proptest! {
        #[test]
        fn fee_and_refund_are_parts_of_the_price(
            price in 0..=1_000_000_000_000_i64, points in 0..=RefundPolicy::WHOLE, fixed in 0..=1_000_000_000_000_i64,
        ) {
            let fee = policy(points, fixed).fee(price);
            prop_assert!((0..=price).contains(&fee));
            // Within half a minor unit of the exact share, unless the fixed part or the price decides.
            let share = policy(points, 0).fee(price);
            let exact = i128::from(price) * i128::from(points);
            let error = (i128::from(share) * i128::from(RefundPolicy::WHOLE) - exact).abs();
            prop_assert!(2 * error <= i128::from(RefundPolicy::WHOLE));
            prop_assert_eq!(fee, (share + fixed).min(price));
        }

        #[test]
        fn a_dearer_ticket_never_gives_less_back(
            price in 0..=1_000_000_i64, more in 0..=1_000_i64, points in 0..=RefundPolicy::WHOLE, fixed in 0..=2_000_i64,
        ) {
            let back = |price| price - policy(points, fixed).fee(price);
            prop_assert!(back(price + more) >= back(price));
        }
    }
}
