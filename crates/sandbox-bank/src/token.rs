//! What a payment token makes the bank do.

use std::time::Duration;

/// The longest outage that a token can ask for.
const LONGEST_OUTAGE: u64 = 600;

/// A token that the bank knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Approve,
    /// Declined with this code.
    Decline(&'static str),
    Confirm,
    TimeoutBeforeEffect,
    TimeoutAfterEffect,
    ReplyLost,
    Slow,
    CaptureFails,
    WebhookTwice,
    WebhookFirst,
    Down(Duration),
}

/// The token whose captures fail, as the ledger has it.
pub(crate) const CAPTURE_FAILS: &str = "tok_capture_fails";
/// The token whose webhooks are repeated.
pub(crate) const WEBHOOK_TWICE: &str = "tok_webhook_twice";

impl Token {
    /// The token; nothing when the bank does not know it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "tok_approve" => Self::Approve,
            "tok_insufficient_funds" => Self::Decline("insufficient_funds"),
            "tok_expired_card" => Self::Decline("expired_card"),
            "tok_fraud" => Self::Decline("fraud"),
            "tok_confirm" => Self::Confirm,
            "tok_timeout_before_effect" => Self::TimeoutBeforeEffect,
            "tok_timeout_after_effect" => Self::TimeoutAfterEffect,
            "tok_reply_lost" => Self::ReplyLost,
            "tok_slow" => Self::Slow,
            CAPTURE_FAILS => Self::CaptureFails,
            WEBHOOK_TWICE => Self::WebhookTwice,
            "tok_webhook_first" => Self::WebhookFirst,
            _ => {
                let seconds: u64 = text.strip_prefix("tok_down_")?.parse().ok()?;
                let within = (1..=LONGEST_OUTAGE).contains(&seconds);
                within.then_some(Self::Down(Duration::from_secs(seconds)))?
            }
        })
    }

    /// How often each webhook of the payment is sent.
    pub(crate) fn copies(self) -> i64 {
        if self == Self::WebhookTwice { 3 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_a_length_in_bounds() {
        assert_eq!(Token::parse("tok_down_5"), Some(Token::Down(Duration::from_secs(5))));
        for unknown in ["tok_down_0", "tok_down_601", "tok_down_", "tok_down_-1", "tok_down_5s", "tok", ""] {
            assert_eq!(Token::parse(unknown), None, "{unknown}");
        }
    }
}
