//! A secret that another party gave, such as a payment provider's key: from a file or a variable, never from a flag,
//! because `ps` shows command lines.

use std::{env, fs, path::Path};

use moviebooking_serve::StartError;
use secrecy::SecretString;

/// Where a secret comes from.
#[derive(Clone, Copy, Debug)]
pub struct Credential<'a> {
    /// The variable that holds the secret itself.
    pub variable: &'static str,
    /// The flag that names a file with it.
    pub flag: &'static str,
    /// What the flag was set to.
    pub file: Option<&'a Path>,
}

impl Credential<'_> {
    /// The secret, without the end of its line.
    ///
    /// # Errors
    /// When it is set nowhere or twice, or its file cannot be read.
    pub fn read(&self) -> Result<SecretString, StartError> {
        self.read_optional()?.ok_or_else(|| {
            let Self { variable, flag, .. } = self;
            StartError::usage(format!("a secret is missing: set {variable}, or {flag} to a file with it"))
        })
    }

    /// The same for a secret that need not be set.
    ///
    /// # Errors
    /// When it is set twice or empty, or its file cannot be read.
    pub fn read_optional(&self) -> Result<Option<SecretString>, StartError> {
        self.read_with(env::var(self.variable).ok())
    }

    fn read_with(&self, variable: Option<String>) -> Result<Option<SecretString>, StartError> {
        let Self { variable: name, flag, file } = self;
        let text = match (variable, file) {
            (None, None) => return Ok(None),
            (Some(text), None) => text,
            (None, Some(path)) => fs::read_to_string(path).map_err(|error| {
                StartError::no_input(format!("{flag} ({}) cannot be read: {error}", path.display()))
            })?,
            (Some(_), Some(_)) => {
                return Err(StartError::usage(format!(
                    "a secret is given twice: set either {name} or {flag}"
                )));
            }
        };
        match text.trim() {
            "" => {
                Err(StartError::usage(format!("a secret is empty: set {name}, or {flag} to a file with it")))
            }
            text => Ok(Some(SecretString::from(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn it_comes_from_one_place_or_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "from the file\n").unwrap();
        let from = |file| Credential { variable: "THE_KEY", flag: "--key-file", file };
        let (unset, set) = (from(None), from(Some(path.as_path())));
        let text = |read: Result<Option<SecretString>, StartError>| {
            read.unwrap().map(|s| s.expose_secret().to_owned())
        };
        assert_eq!(text(unset.read_with(None)), None);
        assert_eq!(text(unset.read_with(Some("set".to_owned()))).as_deref(), Some("set"));
        assert_eq!(text(set.read_with(None)).as_deref(), Some("from the file"));
        for refused in [set.read_with(Some("set".to_owned())), unset.read_with(Some(" ".to_owned()))] {
            let error = refused.err().unwrap();
            assert_eq!(error.code(), 64);
            assert!(
                error.to_string().contains("THE_KEY") && error.to_string().contains("--key-file"),
                "{error}"
            );
        }
    }
}
