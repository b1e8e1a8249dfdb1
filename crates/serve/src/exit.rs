//! Why a process did not start, as one line for a person and an exit code for a machine.

use std::path::Path;

/// A reason not to start or to stop with a failure: one line that names the cause and the fix, and an exit code
/// from BSD's `sysexits.h`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    code: u8,
    message: String,
}

impl StartError {
    /// What was asked is answered, and the answer is no (1): what is compared differs.
    pub fn negative(message: impl AsRef<str>) -> Self {
        Self::new(1, message)
    }

    /// The command line or a variable is wrong (64, `EX_USAGE`).
    pub fn usage(message: impl AsRef<str>) -> Self {
        Self::new(64, message)
    }

    /// What a person gave to be read is not in the format that it should be in (65, `EX_DATAERR`).
    pub fn data(message: impl AsRef<str>) -> Self {
        Self::new(65, message)
    }

    /// A file that a person named is not there or cannot be read (66, `EX_NOINPUT`).
    pub fn no_input(message: impl AsRef<str>) -> Self {
        Self::new(66, message)
    }

    /// Something this process needs is not there: a database that is down, a port in use (69, `EX_UNAVAILABLE`).
    pub fn unavailable(message: impl AsRef<str>) -> Self {
        Self::new(69, message)
    }

    /// Our own failure, which no configuration mends (70, `EX_SOFTWARE`).
    pub fn software(message: impl AsRef<str>) -> Self {
        Self::new(70, message)
    }

    /// The operating system refused a resource (71, `EX_OSERR`).
    pub fn system(message: impl AsRef<str>) -> Self {
        Self::new(71, message)
    }

    /// A file or folder cannot be created or written (73, `EX_CANTCREAT`). `flag` is what to change.
    pub fn cannot_create(path: &Path, flag: &str, cause: &std::io::Error) -> Self {
        Self::new(
            73,
            format!(
                "cannot write to {}: {cause}; make it writable for this user or choose another with {flag}",
                path.display()
            ),
        )
    }

    /// This user may not do it (77, `EX_NOPERM`).
    pub fn permission(message: impl AsRef<str>) -> Self {
        Self::new(77, message)
    }

    /// A file of configuration, or the state that the process finds, does not fit this program: a `.env` file that
    /// cannot be read, a migration from the future (78, `EX_CONFIG`).
    pub fn config(message: impl AsRef<str>) -> Self {
        Self::new(78, message)
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    fn new(code: u8, message: impl AsRef<str>) -> Self {
        Self { code, message: single_line(message.as_ref()) }
    }
}

/// `text` with every run of white space and control characters as one space, so that it stays one line whatever a
/// configured value contains.
pub(crate) fn single_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_one_line() {
        let error = StartError::unavailable("database\n  refused:\tno \u{7}route");
        assert_eq!(error.to_string(), "database refused: no route");
        assert_eq!(error.code(), 69);
    }

    #[test]
    fn unwritable_folder_names_path_and_flag() {
        let cause = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = StartError::cannot_create(Path::new("/data/x"), "--data", &cause);
        assert_eq!(error.code(), 73);
        assert!(error.to_string().contains("/data/x") && error.to_string().contains("--data"));
    }
}
