//! Files in PEM, read again when they change.

use crate::StartError;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fmt::Display,
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
pub(super) struct Named {
    pub(super) flag: &'static str,
    pub(super) path: PathBuf,
}

/// A file's content, and what names it in an error.
pub(super) struct Pem {
    file: Named,
    bytes: Vec<u8>,
}

impl Named {
    pub(super) fn new(flag: &'static str, path: &Path) -> Self {
        Self { flag, path: path.to_owned() }
    }

    async fn read(&self) -> Result<Pem, StartError> {
        match tokio::fs::read(&self.path).await {
            Ok(bytes) => Ok(Pem { file: self.clone(), bytes }),
            Err(error) => Err(StartError::config(format!(
                "cannot read {} ({}): {error}; make it readable for this user or name another file",
                self.path.display(),
                self.flag
            ))),
        }
    }
}

impl Pem {
    /// A certificate and those it was issued by.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, StartError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.refuse(error))?;
        if certificates.is_empty() {
            return Err(self.refuse("there is no certificate in it (BEGIN CERTIFICATE)"));
        }
        Ok(certificates)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, StartError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| self.refuse(error))
    }

    /// Certificate authorities.
    pub(super) fn roots(&self) -> Result<RootCertStore, StartError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.refuse(error))?;
        }
        Ok(roots)
    }

    /// An error about this file.
    pub(super) fn refuse(&self, why: impl Display) -> StartError {
        StartError::config(format!(
            "{} ({}) is not usable: {why}; it must be in PEM",
            self.file.path.display(),
            self.file.flag
        ))
    }

    /// An error about the key in `self`, which belongs to another certificate than the one in `certificate`.
    pub(super) fn mismatch(&self, certificate: &Self, error: &rustls::Error) -> StartError {
        match error {
            rustls::Error::InconsistentKeys(_) => StartError::config(format!(
                "the key {} ({}) does not belong to the certificate {} ({}); give a pair",
                self.file.path.display(),
                self.file.flag,
                certificate.file.path.display(),
                certificate.file.flag,
            )),
            other => certificate.refuse(other),
        }
    }
}

/// What `build` makes of `files`, now and whenever they have changed; for as long as the result or a clone lives.
pub(super) async fn kept_current<T: Send + Sync + 'static>(
    files: Vec<Named>,
    build: impl Fn(&[Pem]) -> Result<T, StartError> + Send + 'static,
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
                Ok(pems) if pems.iter().map(|pem| &pem.bytes).eq(seen.iter().map(|pem| &pem.bytes)) => {
                    continue;
                }
                Ok(pems) => {
                    seen = pems;
                    build(&seen)
                }
                Err(error) => Err(error),
            };
            match built {
                Ok(built) => {
                    complaint = None;
                    sender.send_replace(Arc::new(built));
                    tracing::info!(flag = files.first().map(|file| file.flag), "TLS files were read again");
                }
                // Said once; they may stay so for long.
                Err(error) if complaint.as_ref() != Some(&error) => {
                    tracing::error!(%error, "TLS files have changed and are not usable; keeping what was there");
                    complaint = Some(error);
                }
                Err(_) => {}
            }
        }
    });
    Ok(receiver)
}

async fn read_all(files: &[Named]) -> Result<Vec<Pem>, StartError> {
    let mut pems = Vec::with_capacity(files.len());
    for file in files {
        pems.push(file.read().await?);
    }
    Ok(pems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
    };

    /// Takes any file but one that says `bad`.
    fn build(pem: &[Pem]) -> Result<String, StartError> {
        let text = String::from_utf8_lossy(&pem[0].bytes).into_owned();
        if text == "bad" { Err(pem[0].refuse("it is bad")) } else { Ok(text) }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_usable_is_passed_over_and_what_is_replaces_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let tried = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tried);
        fs::write(&path, "one").unwrap();
        let files = vec![Named::new("--file", &path)];
        let current = kept_current(files, move |pem| {
            counted.fetch_add(1, Ordering::SeqCst);
            build(pem)
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
