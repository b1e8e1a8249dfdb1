//! How errors are documented: one schema, one response, and the table of reasons.

use std::fmt::Write as _;

use moviebooking_proto::Reason;
use serde_json::{Value, json};

use crate::problem::{MEDIA_TYPE, code_name};

/// What holds for the whole API.
pub(super) fn description() -> String {
    let mut text = "Books seats in cinemas: the catalogue, showtimes, seat maps, holds, payments and tickets.\n\n\
        Messages are canonical proto3 JSON: names in lowerCamelCase (the proto's snake_case is read as well), 64-bit \
        integers as texts, times in RFC 3339. Unknown names are refused. `Idempotency-Key` makes a request safe to \
        repeat: the same key with the same request gets the same answer. A PATCH changes the fields that its body has, \
        unless `updateMask` names them. A path that is written out is never a value of a variable: `/users/me` is not \
        the user `me`.\n\n\
        Errors are problems (RFC 9457) with a stable `reason`:\n\n\
        | reason | status | gRPC | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for reason in Reason::ALL {
        let (name, code) = (reason.name(), code_name(reason.code()));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{name}` | {} | {code} | {} |",
            reason.http_status(),
            reason.description().trim()
        );
    }
    text
}

/// A problem.
pub(super) fn schema() -> Value {
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    json!({
        "type": "object",
        "description": "Why a request failed (RFC 9457).",
        "required": ["type", "title", "status", "detail", "reason", "code"],
        "properties": {
            "type": { "type": "string", "description": "Names the kind of problem." },
            "title": { "type": "string", "description": "What the kind of problem is." },
            "status": { "type": "integer", "format": "int32", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What went wrong this time and what to do, for people." },
            "reason": { "type": "string", "enum": reasons, "description": "Stable, for programs." },
            "code": { "type": "string", "description": "The gRPC code." },
            "errors": {
                "type": "array",
                "description": "The fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {
                        "field": { "type": "string", "description": "The path of the field: `seats[2]`." },
                        "message": { "type": "string", "description": "How to mend it." },
                    },
                },
            },
            "retryAfter": { "type": "integer", "format": "int64", "description": "Seconds to wait before trying again." },
            "metadata": {
                "type": "object",
                "description": "Details for programs.",
                "additionalProperties": { "type": "string" },
            },
        },
    })
}

/// The answer with a problem.
pub(super) fn response() -> Value {
    json!({
        "description": "A problem.",
        "headers": {
            "Retry-After": { "schema": { "type": "integer" }, "description": "Seconds to wait before trying again." },
            "WWW-Authenticate": { "schema": { "type": "string" }, "description": "With 401: how to authenticate." },
        },
        "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

/// A reference to the answer with a problem.
pub(super) fn reference() -> Value {
    json!({ "$ref": "#/components/responses/Problem" })
}
