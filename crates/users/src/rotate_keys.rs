//! The command that replaces the key of access tokens.

use clap::Args;
use moviebooking_serve::StartError;
use tonic::Code;

use crate::{Service, store::keys::Rotation};

/// How the key of access tokens is replaced.
#[derive(Debug, Args)]
pub struct RotateKeys {
    /// For a key that others may have: sign with a new one at once, and refuse all tokens that older ones signed. Apps get
    /// new tokens with their refresh tokens.
    #[arg(long)]
    compromised: bool,
}

impl RotateKeys {
    /// Adds the key; the services that run learn of it within a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, service: &Service) -> Result<(), StartError> {
        let rotation = if self.compromised { Rotation::Compromised } else { Rotation::Now };
        let added = service.keyring.replace(rotation).await;
        added.map(drop).map_err(|error| {
            let status = tonic::Status::from(error);
            match status.code() {
                Code::Unavailable => StartError::unavailable(status.message()),
                _ => StartError::software(status.message()),
            }
        })
    }
}
