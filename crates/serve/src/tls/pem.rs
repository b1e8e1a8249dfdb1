//! Files in PEM.

use crate::{StartError, files::Content};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::fmt::Display;

/// What a file in PEM holds.
#[derive(Clone, Copy)]
pub(super) struct Pem<'a>(pub(super) &'a Content);

impl Pem<'_> {
    /// A certificate and those it was issued by.
    pub(super) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, StartError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(self.0.bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| self.refuse(error))?;
        if certificates.is_empty() {
            return Err(self.refuse("there is no certificate in it (BEGIN CERTIFICATE)"));
        }
        Ok(certificates)
    }

    pub(super) fn key(self) -> Result<PrivateKeyDer<'static>, StartError> {
        PrivateKeyDer::from_pem_slice(self.0.bytes()).map_err(|error| self.refuse(error))
    }

    /// Certificate authorities.
    pub(super) fn roots(self) -> Result<RootCertStore, StartError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.refuse(error))?;
        }
        Ok(roots)
    }

    /// An error about this file.
    pub(super) fn refuse(self, why: impl Display) -> StartError {
        StartError::config(format!("{} is not usable: {why}; it must be in PEM", self.0.file()))
    }

    /// An error about the key in `self`, which belongs to another certificate than the one in `certificate`.
    pub(super) fn mismatch(self, certificate: Self, error: &rustls::Error) -> StartError {
        match error {
            rustls::Error::InconsistentKeys(_) => StartError::config(format!(
                "the key {} does not belong to the certificate {}; give a pair",
                self.0.file(),
                certificate.0.file(),
            )),
            other => certificate.refuse(other),
        }
    }
}
