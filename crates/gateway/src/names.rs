//! The names of fields as REST has them: lowerCamelCase, as in JSON, and without what the client did not write.

use prost_reflect::{Kind, MessageDescriptor};

use crate::table::{Body, Route};

/// The header of the idempotency key.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// `display_name` as `displayName`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut result = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            result.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    result
}

/// The path of a field as a service reports it (`movie.release_date`), as the client of this route knows it
/// (`releaseDate`, because the body is the movie).
pub(crate) fn of_client(route: &Route, field: &str) -> String {
    if route.key.as_ref().is_some_and(|key| key.field.name() == field) {
        return IDEMPOTENCY_KEY.to_owned();
    }
    let input = route.rpc.input();
    let Body::Field(body) = &route.body else {
        return in_json(&input, field);
    };
    if field == body.name() {
        return "body".to_owned();
    }
    match (field.strip_prefix(body.name()).and_then(|rest| rest.strip_prefix('.')), body.kind()) {
        (Some(rest), Kind::Message(message)) => in_json(&message, rest),
        _ => in_json(&input, field),
    }
}

/// A path of proto names with list indices, with the names that JSON has. What does not lead to a field is left as it
/// is: keys of a `google.protobuf.Struct` are the client's own.
fn in_json(message: &MessageDescriptor, path: &str) -> String {
    let mut result = String::with_capacity(path.len());
    let mut current = Some(message.clone());
    for part in path.split('.') {
        if !result.is_empty() {
            result.push('.');
        }
        let (name, index) = part.split_at(part.find('[').unwrap_or(part.len()));
        let field = current.take().and_then(|message| message.get_field_by_name(name));
        match field {
            Some(field) => {
                result.push_str(field.json_name());
                if let Kind::Message(inner) = field.kind() {
                    current = Some(inner);
                }
            }
            None => result.push_str(name),
        }
        result.push_str(index);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use moviebooking_proto::access;

    fn client_name(rpc: &str, field: &str) -> String {
        let level = |rpc: &_| access::of(&access::path(rpc)).map(|rule| rule.level);
        let table = Table::new(access::pool(), level).unwrap();
        of_client(table.routes.iter().find(|route| route.rpc.name() == rpc).unwrap(), field)
    }

    #[test]
    fn fields_have_the_names_that_the_client_sent() {
        for (rpc, field, expected) in [
            ("CreateMovie", "movie.release_date", "releaseDate"),
            ("CreateMovie", "movie", "body"),
            ("CreateMovie", "request_id", "Idempotency-Key"),
            ("UpdateMovie", "movie.id", "id"),
            ("UpdateMovie", "update_mask", "updateMask"),
            ("CreateReservation", "best_available.count", "bestAvailable.count"),
            ("CreateReservation", "seats[2]", "seats[2]"),
            ("CreateShowtime", "showtime.prices[1].price.currency_code", "prices[1].price.currencyCode"),
            ("ImportLayout", "seating_plan.zones[0].row_number", "zones[0].row_number"),
            ("ListMovies", "page_size", "pageSize"),
            ("ListMovies", "no_such_field", "no_such_field"),
        ] {
            assert_eq!(client_name(rpc, field), expected, "{rpc} {field}");
        }
    }
}
