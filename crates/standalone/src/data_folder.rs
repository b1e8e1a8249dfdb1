//! The folder of what the platform keeps on this machine.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use moviebooking_serve::StartError;

/// A data folder that this process may write.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
}

/// Shows that this process serves the folder; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl DataFolder {
    /// Opens the folder, making it where it is missing. Only its owner can read what is in it.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let refused = |error| StartError::cannot_create(path, "--data", &error);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(refused)?;
        // A folder can exist and yet refuse files: find out now, not at the first booking.
        open_for_writing(&path.join("serving.lock")).map_err(refused)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Claims the folder for serving, which one process at a time may do.
    ///
    /// # Errors
    /// When another process serves it.
    pub fn lock(&self) -> Result<ServeLock, StartError> {
        let path = self.path.join("serving.lock");
        let file =
            open_for_writing(&path).map_err(|error| StartError::cannot_create(&path, "--data", &error))?;
        match file.try_lock() {
            Ok(()) => Ok(ServeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::unavailable(format!(
                "another process serves the data folder {}: stop it or choose another with --data",
                self.path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(StartError::cannot_create(&path, "--data", &error)),
        }
    }
}

fn open_for_writing(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
