//! By what a link verifies servers, and who it says it is.

use super::pem::Pem;
use crate::{
    StartError,
    files::{Content, Named, kept_current},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use std::{fmt, io, path::PathBuf, sync::Arc};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The TLS of a process's links to other services; flatten it into the process's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct UpstreamTlsArgs {
    /// File of the authorities that issued the certificates of the services called at https:// addresses, in PEM;
    /// this machine's authorities unless given; read again when it changes
    #[arg(long, env = "MOVIEBOOKING_UPSTREAM_CA", value_name = "FILE")]
    upstream_ca: Option<PathBuf>,

    /// File of the certificate to show to the services called, in PEM; read again when it changes
    #[arg(long, env = "MOVIEBOOKING_UPSTREAM_CERT", value_name = "FILE", requires = "upstream_key")]
    upstream_cert: Option<PathBuf>,

    /// File of that certificate's private key, in PEM
    #[arg(long, env = "MOVIEBOOKING_UPSTREAM_KEY", value_name = "FILE", requires = "upstream_cert")]
    upstream_key: Option<PathBuf>,
}

impl UpstreamTlsArgs {
    /// What links connect with, for [`ConnectOptions::tls`](crate::ConnectOptions::tls); `None` is this machine's
    /// authorities and no certificate of ours.
    ///
    /// # Errors
    /// If a file cannot be used (78).
    pub async fn client(&self) -> Result<Option<ClientTls>, StartError> {
        let ca = self.upstream_ca.as_ref().map(|path| Named::new("--upstream-ca", path));
        let pair = self.upstream_cert.iter().map(|path| Named::new("--upstream-cert", path));
        let pair = pair.chain(self.upstream_key.iter().map(|path| Named::new("--upstream-key", path)));
        let has_ca = ca.is_some();
        let files: Vec<_> = ca.into_iter().chain(pair).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let machine = if has_ca { RootCertStore::empty() } else { roots_of_this_machine()? };
        let build = move |files: &[Content]| {
            let (ca, pair) = files.split_at(usize::from(has_ca));
            let roots = ca.first().map_or_else(|| Ok(machine.clone()), |ca| Pem(ca).roots())?;
            client_config(roots, pair)
        };
        Ok(Some(ClientTls { config: kept_current(files, build).await? }))
    }
}

/// The TLS of a link, as its files have it; clone it freely.
#[derive(Clone)]
pub struct ClientTls {
    config: watch::Receiver<Arc<ClientConfig>>,
}

impl ClientTls {
    /// Verifies servers by this machine's certificate authorities and shows no certificate of ours.
    pub(crate) fn by_this_machine() -> Result<Self, StartError> {
        let config = client_config(roots_of_this_machine()?, &[])?;
        Ok(Self { config: watch::channel(Arc::new(config)).1 })
    }

    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let config = Arc::clone(&self.config.borrow());
        TlsConnector::from(config).connect(name, stream).await
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

fn roots_of_this_machine() -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(StartError::config(
            "this machine has no certificate authorities to verify https:// addresses by: give a file of them with \
             --upstream-ca (variable MOVIEBOOKING_UPSTREAM_CA)",
        ));
    }
    Ok(roots)
}

/// `pair` is our certificate and its key, or nothing.
fn client_config(roots: RootCertStore, pair: &[Content]) -> Result<ClientConfig, StartError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::software(format!("TLS: {error}")))?
        .with_root_certificates(roots);
    let mut config = match pair {
        [cert, key] => builder
            .with_client_auth_cert(Pem(cert).certificates()?, Pem(key).key()?)
            .map_err(|error| Pem(key).mismatch(Pem(cert), &error))?,
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
