//! Field masks (AIP-134): which fields an update changes.

use moviebooking_proto::Problem;

/// The fields that an update changes.
#[derive(Clone, Debug)]
pub struct Mask(Vec<&'static str>);

impl Mask {
    /// Reads a mask. No mask, or `*`, means all of `allowed`; anything that is not allowed is refused by name.
    pub fn parse(mask: Option<&prost_types::FieldMask>, allowed: &[&'static str]) -> Result<Self, Problem> {
        let paths = mask.map_or(&[][..], |mask| &mask.paths);
        if paths.is_empty() || paths.iter().any(|path| path == "*") {
            return Ok(Self(allowed.to_vec()));
        }
        let mut fields = Vec::with_capacity(paths.len().min(allowed.len()));
        for path in paths {
            let known = allowed.iter().find(|name| *name == path).ok_or_else(|| {
                let shown: String = path.chars().take(50).collect();
                Problem::invalid(
                    "update_mask",
                    format!("cannot change {shown:?}; use {}", allowed.join(", ")),
                )
            })?;
            if !fields.contains(known) {
                fields.push(*known);
            }
        }
        Ok(Self(fields))
    }

    /// Whether the update changes this field.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains(&field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_fields_can_be_changed() {
        let mask = |paths: &[&str]| prost_types::FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        };
        let allowed = &["title", "synopsis"];
        assert!(Mask::parse(None, allowed).unwrap().has("synopsis"));
        let only_title = Mask::parse(Some(&mask(&["title", "title"])), allowed).unwrap();
        assert!(only_title.has("title") && !only_title.has("synopsis"));
        assert!(
            Mask::parse(Some(&mask(&["id"])), allowed).unwrap_err().message().contains("title, synopsis")
        );
    }
}
