//! Payments, refunds and the checkout saga
