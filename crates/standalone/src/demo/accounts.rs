//! The demo's three accounts. Their passwords are made for each data folder and kept in a file that only its owner can
//! read, in a form that a shell can source.

use std::{fs, io::Write as _, path::Path};

use moviebooking_serve::StartError;
use rand::distr::{Alphanumeric, SampleString as _};

/// The file in the data folder.
pub(crate) const FILE: &str = "demo-accounts.env";

/// E-mail and password of one account.
#[derive(Debug, Clone)]
pub struct Account {
    /// What it signs in with.
    pub email: String,
    /// Random, 20 letters and digits.
    pub password: String,
}

/// The three accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Buys tickets.
    pub customer: Account,
    /// Runs the first theater.
    pub staff: Account,
    /// Runs the platform.
    pub admin: Account,
}

impl Accounts {
    /// The accounts of the data folder; `None` where no demo was made.
    ///
    /// # Errors
    /// When the file is there but cannot be read as one of ours.
    pub fn read(folder: &Path) -> Result<Option<Self>, StartError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StartError::config(format!("cannot read {}: {error}", path.display()))),
        };
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or_else(|| {
                    StartError::config(format!(
                        "{} has no line {name}=…: mend or delete the file",
                        path.display()
                    ))
                })
        };
        let account = |role: &str| -> Result<Account, StartError> {
            Ok(Account {
                email: value(&format!("{role}_EMAIL"))?,
                password: value(&format!("{role}_PASSWORD"))?,
            })
        };
        Ok(Some(Self { customer: account("CUSTOMER")?, staff: account("STAFF")?, admin: account("ADMIN")? }))
    }

    /// New accounts, written to the data folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(folder: &Path) -> Result<Self, StartError> {
        Self::create_beside(account("admin"), folder)
    }

    /// New accounts beside an admin's that exists, written to the data folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn create_beside(admin: Account, folder: &Path) -> Result<Self, StartError> {
        let accounts = Self { customer: account("customer"), staff: account("staff"), admin };
        let mut text = String::from("# The demo cinema's accounts. Source it: . demo-accounts.env\n");
        for (role, account) in
            [("CUSTOMER", &accounts.customer), ("STAFF", &accounts.staff), ("ADMIN", &accounts.admin)]
        {
            text.push_str(&format!("{role}_EMAIL={}\n{role}_PASSWORD={}\n", account.email, account.password));
        }
        let path = folder.join(FILE);
        write_secret(&path, &text).map_err(|error| StartError::cannot_create(&path, "--data", &error))?;
        Ok(accounts)
    }
}

fn account(role: &str) -> Account {
    let password = Alphanumeric.sample_string(&mut rand::rng(), 20);
    Account { email: format!("{role}@demo.example"), password }
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
