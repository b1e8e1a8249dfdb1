//! The refund policy of a theater.

use moviebooking_domain::refund::RefundPolicy;
use moviebooking_proto::{Problem, theaters::v1 as wire};

use crate::{MOST_MINOR_UNITS, number};

/// A policy. `field` is its path in the request: `theater.refund_policy`.
///
/// # Errors
/// `INVALID_ARGUMENT` that names the part that is out of its range.
pub fn from_wire(field: &str, message: wire::RefundPolicy) -> Result<RefundPolicy, Problem> {
    let wire::RefundPolicy { until_minutes_before_start, fee_basis_points, fee_minor } = message;
    let part = |name: &str| format!("{field}.{name}");
    if !(0..=MOST_MINOR_UNITS).contains(&fee_minor) {
        return Err(Problem::invalid(
            part("fee_minor"),
            format!("use 0 to {MOST_MINOR_UNITS} minor units of the theater's currency"),
        ));
    }
    let (minutes, points) = ("until_minutes_before_start", "fee_basis_points");
    Ok(RefundPolicy {
        until_minutes_before_start: number(
            &part(minutes),
            until_minutes_before_start,
            0,
            RefundPolicy::MOST_MINUTES,
        )?,
        fee_basis_points: number(&part(points), fee_basis_points, 0, RefundPolicy::WHOLE)?,
        fee_minor,
    })
}

/// A policy for an answer.
pub fn to_wire(policy: RefundPolicy) -> wire::RefundPolicy {
    let RefundPolicy { until_minutes_before_start, fee_basis_points, fee_minor } = policy;
    wire::RefundPolicy { until_minutes_before_start, fee_basis_points, fee_minor }
}
