//! The demo cinema on a platform of processes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    GATEWAY, ONE_PROCESS, Platform, command,
    platform::{random_text, write_secret},
};

const ADMIN: &str = "admin@demo.example";

/// The first admin of a platform.
pub struct Admin {
    /// What it signs in with.
    pub email: &'static str,
    /// The file with its password.
    pub password_file: PathBuf,
}

impl Platform {
    /// Makes the first admin of a new platform.
    ///
    /// # Errors
    /// What the program said.
    pub fn create_admin(&self) -> anyhow::Result<Admin> {
        let password_file = self.folder().join("admin-password");
        write_secret(&password_file, &random_text()?)?;
        let mut create_admin = self.command("users");
        create_admin.args(["create-admin", "--email", ADMIN, "--name", "Demo Admin", "--password-file"]);
        command::output(create_admin.arg(&password_file))?;
        Ok(Admin { email: ADMIN, password_file })
    }

    /// Makes the demo cinema with the catalogue of this file, as an operator would: with the programs' own commands.
    /// Returns the file with the demo's accounts.
    ///
    /// # Errors
    /// What a program said.
    pub fn make_demo(&self, catalogue: &Path) -> anyhow::Result<PathBuf> {
        let data = self.folder().join("demo");
        // Accounts of an earlier platform are not on this one.
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let admin = self.create_admin()?;
        // The programs work in a folder of their own.
        let catalogue = catalogue.canonicalize()?;
        command::output(self.command("movies").args(["import", "movies", "--json"]).arg(catalogue))?;
        let mut demo = Command::new(self.program(ONE_PROCESS));
        demo.env_clear().current_dir(self.folder()).arg("demo").arg("--data").arg(&data);
        demo.arg("--gateway-url").arg(format!("http://{}", self.address(GATEWAY)));
        demo.args(["--admin-email", admin.email, "--password-file"]).arg(&admin.password_file);
        command::output(&mut demo)?;
        Ok(data.join("demo-accounts.env"))
    }
}
