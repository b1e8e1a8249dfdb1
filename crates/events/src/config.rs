//! Where events go: what an operator sets.

use std::{fs, path::PathBuf};

use async_nats::ServerAddr;
use clap::Args;
use moviebooking_serve::StartError;
use secrecy::SecretString;

/// Where a process publishes events, to be flattened into its command line.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "events")]
pub struct EventsArgs {
    /// NATS servers with JetStream that events are published to, separated by commas: nats://HOST:4222, or tls:// for TLS.
    /// Without it events reach the platform's own webhooks alone.
    #[arg(long, env = "MOVIEBOOKING_NATS_URL", hide_env_values = true, value_name = "URL", value_delimiter = ',', value_parser = server)]
    nats_url: Vec<ServerAddr>,
    /// File with what the NATS servers know the process by: a credentials file as `nsc` makes it, or USER:PASSWORD.
    #[arg(long, env = "MOVIEBOOKING_NATS_CREDENTIALS_FILE", value_name = "FILE", requires = "nats_url")]
    nats_credentials_file: Option<PathBuf>,
    /// File with the certificate authorities that NATS servers are verified by, instead of this machine's.
    #[arg(long, env = "MOVIEBOOKING_NATS_CA", value_name = "FILE", requires = "nats_url")]
    nats_ca: Option<PathBuf>,
}

/// How NATS is reached: settings that are known to be readable.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) authorities: Option<PathBuf>,
}

/// What NATS servers know a process by.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A JWT and the seed of its key.
    File(SecretString),
    User(String, SecretString),
}

fn server(text: &str) -> Result<ServerAddr, String> {
    // Not repeated: it may hold a password.
    let address: ServerAddr =
        text.trim().parse().map_err(|_| "not an address of the form nats://HOST:PORT".to_owned())?;
    if address.has_user_pass() {
        return Err(
            "keep user and password in --nats-credentials-file, where `ps` does not show them".to_owned()
        );
    }
    Ok(address)
}

impl EventsArgs {
    /// The settings of NATS, where it is to be used.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn nats(&self) -> Result<Option<NatsSettings>, StartError> {
        if self.nats_url.is_empty() {
            return Ok(None);
        }
        let read = |flag, path: &PathBuf| {
            fs::read_to_string(path).map_err(|error| {
                StartError::no_input(format!("{flag} ({}) cannot be read: {error}", path.display()))
            })
        };
        if let Some(path) = &self.nats_ca {
            read("--nats-ca", path)?;
        }
        let credentials = match &self.nats_credentials_file {
            Some(path) => Some(credentials(&read("--nats-credentials-file", path)?).ok_or_else(|| {
                StartError::config(format!(
                    "--nats-credentials-file ({}): it holds neither a NATS user's JWT nor USER:PASSWORD",
                    path.display()
                ))
            })?),
            None => None,
        };
        Ok(Some(NatsSettings {
            servers: self.nats_url.clone(),
            credentials,
            authorities: self.nats_ca.clone(),
        }))
    }
}

fn credentials(text: &str) -> Option<Credentials> {
    let text = text.trim();
    if text.contains("BEGIN NATS USER JWT") {
        return Some(Credentials::File(text.into()));
    }
    let (user, password) = text.split_once(':')?;
    let is_line = !text.contains(char::is_whitespace);
    (is_line && !user.is_empty() && !password.is_empty())
        .then(|| Credentials::User(user.to_owned(), password.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_holds_no_password() {
        for good in ["nats://127.0.0.1:4222", "tls://nats.example.org", "nats.example.org:4222"] {
            assert!(server(good).is_ok(), "{good}");
        }
        let refused = server("nats://joe:secret@127.0.0.1").unwrap_err();
        assert!(refused.contains("--nats-credentials-file") && !refused.contains("secret"), "{refused}");
        assert!(!server("nats://[secret").unwrap_err().contains("secret"));
    }

    #[test]
    fn credentials_are_a_users_jwt_or_a_password() {
        assert!(matches!(credentials("joe:secret\n"), Some(Credentials::User(user, _)) if user == "joe"));
        assert!(matches!(credentials("-----BEGIN NATS USER JWT-----\nx"), Some(Credentials::File(_))));
        for bad in ["", "joe", ":secret", "joe:", "joe: secret", "two:lines\nof:it"] {
            assert!(credentials(bad).is_none(), "{bad:?}");
        }
    }
}
