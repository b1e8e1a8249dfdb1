//! The command that adds a key for ticket codes.

use clap::Args;
use moviebooking_domain::clock::SharedClock;
use moviebooking_serve::StartError;
use moviebooking_store::Db;
use tonic::Code;

use crate::{TicketError, keys::Keys};

/// How the key of ticket codes is replaced.
#[derive(Debug, Args)]
pub struct RotateKeys {
    /// Sign with the new key at once, instead of in a day. Scanners that work offline must fetch the keys at once, too.
    #[arg(long)]
    at_once: bool,
}

impl RotateKeys {
    /// Adds the key; the service learns of it within a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, db: Db, clock: SharedClock) -> Result<(), StartError> {
        Keys::new(db, clock).replace(self.at_once).await.map_err(|error| {
            let status = tonic::Status::from(TicketError::from(error));
            match status.code() {
                Code::Unavailable => StartError::unavailable(status.message()),
                _ => StartError::software(status.message()),
            }
        })
    }
}
