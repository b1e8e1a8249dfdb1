//! The one cryptography provider of the process.

/// Makes aws-lc-rs the provider of every TLS connection of this process. rustls refuses to guess where more than
/// one could be compiled in; calling this again changes nothing.
pub fn install_crypto_provider() {
    // An error only says that a provider is already in place.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
