//! The secret that the services know each other by.

use std::{env, fmt::Display, path::PathBuf, sync::Arc};

use moviebooking_auth::{ServiceSecret, ServiceSecrets};
use moviebooking_serve::{
    StartError,
    files::{Named, kept_current},
};
use tokio::sync::watch;

/// The variable that holds the secret itself. There is no flag for it: `ps` shows command lines.
const VARIABLE: &str = "MOVIEBOOKING_SERVICE_SECRET";

/// Where the secret comes from that all services of a platform share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SecretArgs {
    /// File with the secret that all services of a platform share, at least 32 random bytes as text; or set
    /// MOVIEBOOKING_SERVICE_SECRET to the secret itself. Of several lines the first makes tokens and all verify them;
    /// the file is read again when it changes.
    #[arg(long, env = "MOVIEBOOKING_SERVICE_SECRET_FILE", value_name = "FILE")]
    service_secret_file: Option<PathBuf>,
}

impl SecretArgs {
    /// The secret from the one place that is set, and its successors where that is a file.
    ///
    /// # Errors
    /// When none is set or both, the file cannot be read, or the secret is too short.
    pub(crate) async fn read(&self) -> Result<ServiceSecret, StartError> {
        self.read_with(env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes)).await
    }

    async fn read_with(&self, variable: Option<Vec<u8>>) -> Result<ServiceSecret, StartError> {
        let secrets = match (variable, &self.service_secret_file) {
            (Some(secrets), None) => watch::channel(Arc::new(parse(VARIABLE, &secrets)?)).1,
            (None, Some(path)) => {
                let file = Named::new("--service-secret-file", path);
                kept_current(vec![file], |files| match files {
                    [file] => parse(file.file(), file.bytes()),
                    _ => Err(StartError::software("the services' secret is one file")),
                })
                .await?
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
        Ok(ServiceSecret::following(secrets))
    }
}

fn parse(place: impl Display, text: &[u8]) -> Result<ServiceSecrets, StartError> {
    ServiceSecrets::parse(text)
        .map_err(|error| StartError::usage(format!("{place} has no usable secret: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GOOD: &[u8] = b"0123456789abcdef0123456789abcdef\n";

    fn file(content: &[u8]) -> (tempfile::TempDir, SecretArgs) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        (folder, SecretArgs { service_secret_file: Some(path) })
    }

    #[tokio::test]
    async fn it_comes_from_one_place() {
        let (_folder, in_file) = file(GOOD);
        let nowhere = SecretArgs { service_secret_file: None };
        assert!(in_file.read_with(None).await.is_ok());
        assert!(nowhere.read_with(Some(GOOD.to_vec())).await.is_ok());
        for (args, variable) in [(&in_file, Some(GOOD.to_vec())), (&nowhere, None)] {
            let error = args.read_with(variable).await.err().unwrap();
            assert_eq!(error.code(), 64);
            assert!(error.to_string().contains(VARIABLE), "{error}");
        }
    }

    #[tokio::test]
    async fn a_short_one_is_refused_without_repeating_it() {
        let (_folder, args) = file(b"hunter2            \n                            ");
        let error = args.read_with(None).await.err().unwrap();
        assert_eq!(error.code(), 64);
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains("32"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let args = SecretArgs { service_secret_file: Some("nowhere/secret".into()) };
        let error = args.read_with(None).await.err().unwrap();
        assert_eq!(error.code(), 78);
        assert!(error.to_string().contains("nowhere/secret"), "{error}");
    }
}
