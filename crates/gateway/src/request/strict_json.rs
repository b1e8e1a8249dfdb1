//! JSON read strictly: no name twice in an object (RFC 8259 leaves its meaning open), and no deeper than any honest
//! request: what is nested deeper than protobuf decodes would fail in the service instead of here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Levels of objects and lists.
pub(super) const DEEPEST: usize = 32;

/// Why a text was not read: where in the document, if inside one, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) place: String,
    pub(super) why: String,
}

/// The document in `text`.
pub(super) fn parse(text: &[u8]) -> Result<Value, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let parsed = Level(0).deserialize(tracked);
    let value = parsed.map_err(|error| Refusal { place: place(&track.path()), why: error.to_string() })?;
    deserializer.end().map_err(|error| Refusal { place: String::new(), why: error.to_string() })?;
    Ok(value)
}

/// A path without the question mark that stands for "not in any field".
pub(super) fn place(path: &serde_path_to_error::Path) -> String {
    let known = path.iter().all(|segment| !matches!(segment, serde_path_to_error::Segment::Unknown));
    if known && path.iter().next().is_some() { path.to_string() } else { String::new() }
}

/// How many levels stand around the value.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.0 < DEEPEST {
            Ok(Self(self.0 + 1))
        } else {
            Err(E::custom(format_args!("nest at most {DEEPEST} levels of objects and lists")))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is too large"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let level = self.deeper()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(level)? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let level = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let again = object.contains_key(&name);
            let value = entries.next_value_seed(Once { level, again })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The value of a name, refused here if the name was there before, so that the place of the error is known.
struct Once {
    level: Level,
    again: bool,
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.again { Err(D::Error::custom("give it once")) } else { self.level.deserialize(deserializer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(text: &str) -> Refusal {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn honest_json_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,2.5,"x\u00e4",true,null,{}],"b":18446744073709551615}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), json!({"a":[1,-2,2.5,"xä",true,null,{}],"b":u64::MAX}));
    }

    #[test]
    fn a_name_twice_is_refused_by_name() {
        let refusal = refusal(r#"{"a":[{"b":1,"b":2}]}"#);
        assert_eq!(refusal.place, "a[0].b");
        assert!(refusal.why.starts_with("give it once"), "{}", refusal.why);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(DEEPEST).as_bytes()).is_ok());
        for levels in [DEEPEST + 1, 200, 100_000] {
            assert!(refusal(&nested(levels)).why.starts_with("nest at most"), "{levels}");
        }
    }

    #[test]
    fn what_is_no_json_says_where() {
        for bad in ["{", "{\"a\":}", "[1,]", "nul", "{} {}", "1e999", "\"\u{1}\"", "'a'"] {
            assert!(refusal(bad).why.contains("line 1 column"), "{bad}: {}", refusal(bad).why);
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }
}
