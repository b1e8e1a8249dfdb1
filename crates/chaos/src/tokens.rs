//! What buyers pay with.

use rand::{rngs::StdRng, seq::IndexedRandom as _};

/// The sandbox's tokens, and how many of a hundred payments are made with each.
const TOKENS: [(&str, u32); 13] = [
    ("tok_approve", 62),
    ("tok_confirm", 5),
    ("tok_insufficient_funds", 3),
    ("tok_expired_card", 3),
    ("tok_fraud", 3),
    ("tok_timeout_before_effect", 4),
    ("tok_timeout_after_effect", 4),
    ("tok_reply_lost", 5),
    ("tok_slow", 1),
    ("tok_capture_fails", 4),
    ("tok_webhook_twice", 2),
    ("tok_webhook_first", 3),
    ("tok_down_2", 1),
];

/// One of them.
pub(crate) fn any_token(dice: &mut StdRng) -> &'static str {
    TOKENS.choose_weighted(dice, |(_, weight)| *weight).map_or("tok_approve", |(token, _)| *token)
}
