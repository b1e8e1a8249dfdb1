//! A password for a command, from anywhere but the command line.

use std::{
    fs,
    io::{IsTerminal as _, Read as _, Write as _},
    path::PathBuf,
};

use moviebooking_serve::StartError;
use secrecy::SecretString;

/// Where the password for a command comes from. `ps` shows command lines, so it is never in one.
#[derive(Clone, Debug, clap::Args)]
pub struct PasswordArgs {
    /// File with the password [default: it is read from standard input].
    #[arg(long, env = "MOVIEBOOKING_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// The password, without the end of its line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> Result<SecretString, StartError> {
        let text = match &self.password_file {
            Some(path) => fs::read_to_string(path)
                .map_err(|error| StartError::no_input(format!("cannot read {}: {error}", path.display())))?,
            None => from_standard_input()
                .map_err(|error| StartError::no_input(format!("cannot read the password: {error}")))?,
        };
        Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }
}

fn from_standard_input() -> std::io::Result<String> {
    let mut input = std::io::stdin();
    let mut text = String::new();
    if input.is_terminal() {
        // Without a prompt a person would wait for the program, and it for them.
        let _ = write!(std::io::stderr(), "password (it is shown): ");
        input.read_line(&mut text)?;
    } else {
        input.read_to_string(&mut text)?;
    }
    Ok(text)
}
