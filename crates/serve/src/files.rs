//! Files of configuration, read again when they change: certificates, secrets, a database's URL.

use crate::StartError;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// How often the files are looked at. Their content is compared: in a mounted Secret a link changes, and not the
/// file's time.
const EVERY: Duration = Duration::from_secs(2);

/// A file, and the flag that named it.
#[derive(Debug, Clone)]
pub struct Named {
    flag: &'static str,
    path: PathBuf,
}

/// A file's content, and what names it in an error. It may be a secret and is never shown.
pub struct Content {
    file: Named,
    bytes: Vec<u8>,
}

impl Named {
    /// The file at `path`, which was given with `flag` (`--tls-cert`).
    pub fn new(flag: &'static str, path: &Path) -> Self {
        Self { flag, path: path.to_owned() }
    }

    async fn read(&self) -> Result<Content, StartError> {
        match tokio::fs::read(&self.path).await {
            Ok(bytes) => Ok(Content { file: self.clone(), bytes }),
            Err(error) => Err(StartError::config(format!(
                "cannot read {self}: {error}; make it readable for this user or name another file"
            ))),
        }
    }
}

/// The path and the flag.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.flag)
    }
}

impl Content {
    /// The file.
    pub fn file(&self) -> &Named {
        &self.file
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.file)
    }
}

/// What `build` makes of `files`, now and whenever they have changed, for as long as the result or a clone lives.
/// Files that cannot be used are logged and what was there before stays.
///
/// # Errors
/// If a file cannot be read (78), or what `build` says of what is in it now.
pub async fn kept_current<T: Send + Sync + 'static>(
    files: Vec<Named>,
    build: impl Fn(&[Content]) -> Result<T, StartError> + Send + 'static,
) -> Result<watch::Receiver<Arc<T>>, StartError> {
    let mut seen = read_all(&files).await?;
    let (sender, receiver) = watch::channel(Arc::new(build(&seen)?));
    tokio::spawn(async move {
        let mut complaint = None;
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let built = match read_all(&files).await {
                Ok(now) if now.iter().map(Content::bytes).eq(seen.iter().map(Content::bytes)) => continue,
                Ok(now) => {
                    seen = now;
                    build(&seen)
                }
                Err(error) => Err(error),
            };
            match built {
                Ok(built) => {
                    complaint = None;
                    sender.send_replace(Arc::new(built));
                    tracing::info!(flag = files.first().map(|file| file.flag), "files were read again");
                }
                // Said once; they may stay so for long.
                Err(error) if complaint.as_ref() != Some(&error) => {
                    tracing::error!(%error, "files have changed and are not usable; keeping what was there");
                    complaint = Some(error);
                }
                Err(_) => {}
            }
        }
    });
    Ok(receiver)
}

async fn read_all(files: &[Named]) -> Result<Vec<Content>, StartError> {
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        contents.push(file.read().await?);
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
    };

    /// Takes any file but one that says `bad`.
    fn build(contents: &[Content]) -> Result<String, StartError> {
        let text = String::from_utf8_lossy(contents[0].bytes()).into_owned();
        if text == "bad" {
            Err(StartError::config(format!("{} is bad", contents[0].file())))
        } else {
            Ok(text)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_usable_is_passed_over_and_what_is_replaces_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let tried = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tried);
        fs::write(&path, "one").unwrap();
        let files = vec![Named::new("--file", &path)];
        let current = kept_current(files, move |contents| {
            counted.fetch_add(1, Ordering::SeqCst);
            build(contents)
        })
        .await
        .unwrap();
        // The clock stands still but for these pauses, which therefore take no time.
        let until = async |reached: &dyn Fn() -> bool| {
            for _ in 0..100 {
                if reached() {
                    return;
                }
                tokio::time::sleep(EVERY).await;
            }
            panic!("it did not come about");
        };
        assert_eq!(**current.borrow(), "one");
        fs::write(&path, "bad").unwrap();
        until(&|| tried.load(Ordering::SeqCst) == 2).await;
        assert_eq!(**current.borrow(), "one");
        fs::write(&path, "two").unwrap();
        until(&|| **current.borrow() == "two").await;
        assert_eq!(tried.load(Ordering::SeqCst), 3);
    }
}
