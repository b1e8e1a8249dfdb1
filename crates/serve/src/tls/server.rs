//! A server's certificate, and whom it lets in.

use super::pem::Pem;
use crate::{
    StartError,
    files::{Content, Named, kept_current},
};
use rustls::{ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The TLS of a process's port; flatten it into the process's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct TlsArgs {
    /// File of the server's certificate and those it was issued by, in PEM; read again when it changes
    #[arg(long, env = "MOVIEBOOKING_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// File of the certificate's private key, in PEM
    #[arg(long, env = "MOVIEBOOKING_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// File of the authorities one of which must have issued a client's certificate, in PEM; no client needs one
    /// unless given
    #[arg(long, env = "MOVIEBOOKING_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Serve other machines without TLS: where something else encrypts, as a service mesh does
    #[arg(long, env = "MOVIEBOOKING_PLAINTEXT", conflicts_with = "tls_cert")]
    plaintext: bool,
}

impl TlsArgs {
    /// Whether the port is served with TLS.
    pub fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// What the port `listen` is to be served with; `None` is plain text.
    ///
    /// # Errors
    /// If there is no certificate, other machines can reach `listen`, and plain text was not asked for (64); if a
    /// file cannot be used (78).
    pub async fn server(&self, listen: SocketAddr) -> Result<Option<ServerTls>, StartError> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            if self.plaintext || listen.ip().is_loopback() {
                return Ok(None);
            }
            return Err(StartError::usage(format!(
                "other machines can reach {listen} and there is no certificate: give --tls-cert and --tls-key \
                 (variables MOVIEBOOKING_TLS_CERT and MOVIEBOOKING_TLS_KEY), or --plaintext (variable \
                 MOVIEBOOKING_PLAINTEXT) where something else encrypts"
            )));
        };
        let mut files = vec![Named::new("--tls-cert", cert), Named::new("--tls-key", key)];
        files.extend(self.tls_client_ca.as_ref().map(|path| Named::new("--tls-client-ca", path)));
        Ok(Some(ServerTls { config: kept_current(files, server_config).await? }))
    }
}

/// The TLS of a server, as its files have it; clone it freely.
#[derive(Clone)]
pub struct ServerTls {
    config: watch::Receiver<Arc<ServerConfig>>,
}

impl ServerTls {
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.borrow());
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

fn server_config(files: &[Content]) -> Result<ServerConfig, StartError> {
    let [cert, key, client_ca @ ..] = files else {
        return Err(StartError::software("a certificate and its key are two files"));
    };
    let (cert, key) = (Pem(cert), Pem(key));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::software(format!("TLS: {error}")))?;
    let builder = match client_ca.first() {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let ca = Pem(ca);
            let roots = Arc::new(ca.roots()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| ca.refuse(error))?)
        }
    };
    let mut config = builder
        .with_single_cert(cert.certificates()?, key.key()?)
        .map_err(|error| key.mismatch(cert, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
