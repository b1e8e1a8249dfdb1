//! Reads JSON objects whose shape nobody has checked; every refusal names the path.

use std::collections::BTreeMap;

use moviebooking_proto::Problem;
use prost_types::{Struct, Value, value::Kind};

/// More than the widest layout has at the largest scale, and little enough to be exact to far below a pixel.
const MOST_PIXELS: f64 = 1e10;

/// An object and where in the request it is: `seating_plan.zones[0].rows[3]`.
pub(super) struct Object<'a> {
    fields: &'a BTreeMap<String, Value>,
    pub(super) path: String,
}

impl<'a> Object<'a> {
    pub(super) fn new(path: &str, object: &'a Struct) -> Self {
        Self { fields: &object.fields, path: path.to_owned() }
    }

    /// A text without white space around it; what is missing or null is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Kind::StringValue(text)) => Ok(Some(text.trim())),
            Some(_) => Err(self.wrong(name, "use a text")),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, Problem> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "give a text"))
    }

    /// A point in pixels; what is missing is where its parent is.
    pub(super) fn position(&self) -> Result<(f64, f64), Problem> {
        match self.get("position") {
            None => Ok((0.0, 0.0)),
            Some(Kind::StructValue(position)) => {
                let position = Object::new(&format!("{}.position", self.path), position);
                Ok((position.number("x")?, position.number("y")?))
            }
            Some(_) => Err(self.wrong("position", "use an object with x and y")),
        }
    }

    fn number(&self, name: &str) -> Result<f64, Problem> {
        match self.get(name) {
            Some(Kind::NumberValue(number)) if number.abs() <= MOST_PIXELS => Ok(*number),
            _ => Err(self.wrong(name, "use a number of pixels, from -1e10 to 1e10")),
        }
    }

    /// The objects of a list that must be there.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, Problem> {
        let Some(Kind::ListValue(list)) = self.get(name) else {
            return Err(self.wrong(name, "give a list of objects"));
        };
        let objects = list.values.iter().enumerate().map(|(i, value)| {
            let path = format!("{}.{name}[{i}]", self.path);
            match &value.kind {
                Some(Kind::StructValue(object)) => Ok(Self { fields: &object.fields, path }),
                _ => Err(Problem::invalid(path, "use an object")),
            }
        });
        objects.collect()
    }

    pub(super) fn wrong(&self, name: &str, fix: &str) -> Problem {
        Problem::invalid(format!("{}.{name}", self.path), fix)
    }

    fn get(&self, name: &str) -> Option<&'a Kind> {
        self.fields.get(name)?.kind.as_ref().filter(|kind| !matches!(kind, Kind::NullValue(_)))
    }
}
