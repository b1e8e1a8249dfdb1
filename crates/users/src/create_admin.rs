//! The command that makes a platform's first admin.

use std::io::Write as _;

use clap::Args;
use moviebooking_process::PasswordArgs;
use moviebooking_serve::StartError;
use secrecy::ExposeSecret as _;
use tonic::Code;

use crate::Service;

/// The first admin of a platform.
#[derive(Debug, Args)]
pub struct CreateAdmin {
    /// What the admin signs in with.
    #[arg(long)]
    email: String,
    /// What the admin is called.
    #[arg(long, default_value = "Admin")]
    name: String,
    #[command(flatten)]
    password: PasswordArgs,
}

impl CreateAdmin {
    /// Makes the account and prints its id. An admin with this e-mail is left as they are.
    ///
    /// # Errors
    /// When the password cannot be read, an argument is refused, or the database fails.
    pub async fn run(&self, service: &Service) -> Result<(), StartError> {
        let password = self.password.read()?;
        let made = service.bootstrap_admin(&self.email, password.expose_secret(), &self.name).await;
        let id = made.map_err(|status| match status.code() {
            Code::Unavailable => StartError::unavailable(status.message()),
            Code::Internal => StartError::software(status.message()),
            _ => StartError::data(format!("no admin was made: {}", status.message())),
        })?;
        // Nobody reading any more does not unmake the account.
        let _ = writeln!(std::io::stdout(), "{id}");
        Ok(())
    }
}
