//! The demo cinema on a platform of processes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    GATEWAY, Platform, command,
    platform::{random_text, write_secret},
};

const ADMIN: &str = "admin@demo.example";

impl Platform {
    /// Makes the demo cinema with the catalogue of this file, as an operator would: with the programs' own commands.
    /// Returns the file with the demo's accounts.
    ///
    /// # Errors
    /// What a program said.
    pub fn make_demo(&self, catalogue: &Path) -> anyhow::Result<PathBuf> {
        let (data, password) = (self.folder().join("demo"), self.folder().join("admin-password"));
        write_secret(&password, &random_text()?)?;
        // Accounts of an earlier platform are not on this one.
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut create_admin = self.command("users");
        create_admin.args(["create-admin", "--email", ADMIN, "--name", "Demo Admin", "--password-file"]);
        command::output(create_admin.arg(&password))?;
        // The programs work in a folder of their own.
        let catalogue = catalogue.canonicalize()?;
        command::output(self.command("movies").args(["import", "movies", "--json"]).arg(catalogue))?;
        let mut demo = Command::new(self.program(""));
        demo.env_clear().current_dir(self.folder()).arg("demo").arg("--data").arg(&data);
        demo.arg("--gateway-url").arg(format!("http://{}", self.address(GATEWAY)));
        demo.args(["--admin-email", ADMIN, "--password-file"]).arg(&password);
        command::output(&mut demo)?;
        Ok(data.join("demo-accounts.env"))
    }
}
