//! The secret that the services know each other by.

use std::{env, fs, path::PathBuf};

use moviebooking_auth::ServiceSecret;
use moviebooking_serve::StartError;

/// The variable that holds the secret itself. There is no flag for it: `ps` shows command lines.
const VARIABLE: &str = "MOVIEBOOKING_SERVICE_SECRET";

/// Where the secret comes from that all services of a platform share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SecretArgs {
    /// File with the secret that all services of a platform share, at least 32 random bytes; or set
    /// MOVIEBOOKING_SERVICE_SECRET to the secret itself.
    #[arg(long, env = "MOVIEBOOKING_SERVICE_SECRET_FILE", value_name = "FILE")]
    service_secret_file: Option<PathBuf>,
}

impl SecretArgs {
    /// Reads the secret from the one place that is set.
    ///
    /// # Errors
    /// When none is set or both, the file cannot be read, or the secret is too short.
    pub(crate) fn read(&self) -> Result<ServiceSecret, StartError> {
        self.read_with(env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes))
    }

    fn read_with(&self, variable: Option<Vec<u8>>) -> Result<ServiceSecret, StartError> {
        let (place, secret) = match (variable, &self.service_secret_file) {
            (Some(secret), None) => (VARIABLE.to_owned(), secret),
            (None, Some(path)) => {
                let place = format!("--service-secret-file ({})", path.display());
                let secret = fs::read(path)
                    .map_err(|error| StartError::no_input(format!("{place} cannot be read: {error}")))?;
                (place, secret)
            }
            (None, None) => {
                return Err(StartError::usage(format!(
                    "the services' secret is missing: set {VARIABLE}, or --service-secret-file \
                     (variable {VARIABLE}_FILE) to a file with it"
                )));
            }
            (Some(_), Some(_)) => {
                return Err(StartError::usage(format!(
                    "the services' secret is given twice: set either {VARIABLE} or --service-secret-file"
                )));
            }
        };
        // Files, and variables that were read from files, end with a line break that nobody means.
        ServiceSecret::new(secret.trim_ascii())
            .map_err(|error| StartError::usage(format!("{place} is no secret: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"0123456789abcdef0123456789abcdef\n";

    fn file(content: &[u8]) -> (tempfile::TempDir, SecretArgs) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        (folder, SecretArgs { service_secret_file: Some(path) })
    }

    #[test]
    fn it_comes_from_one_place() {
        let (_folder, in_file) = file(GOOD);
        let nowhere = SecretArgs { service_secret_file: None };
        assert!(in_file.read_with(None).is_ok());
        assert!(nowhere.read_with(Some(GOOD.to_vec())).is_ok());
        for (args, variable) in [(&in_file, Some(GOOD.to_vec())), (&nowhere, None)] {
            let error = args.read_with(variable).err().unwrap();
            assert_eq!(error.code(), 64);
            assert!(error.to_string().contains(VARIABLE), "{error}");
        }
    }

    #[test]
    fn a_short_one_is_refused_without_repeating_it() {
        let (_folder, args) = file(b"hunter2            \n                            ");
        let error = args.read_with(None).err().unwrap();
        assert_eq!(error.code(), 64);
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains("32"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let args = SecretArgs { service_secret_file: Some("nowhere/secret".into()) };
        let error = args.read_with(None).err().unwrap();
        assert_eq!(error.code(), 66);
        assert!(error.to_string().contains("nowhere/secret"), "{error}");
    }
}
