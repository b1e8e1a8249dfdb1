//! The gateway's own settings.

use std::str::FromStr;

use http::{HeaderValue, Uri};
use ipnet::IpNet;

use crate::origin::{self, ForwardedHeader};

/// The gateway's own settings; flatten them into a process's arguments.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "gateway")]
pub struct Config {
    /// Origins whose pages may call the platform from a browser, such as `https://tickets.example.com`; `*` for all.
    #[arg(
        long = "cors-origins",
        env = "MOVIEBOOKING_CORS_ORIGINS",
        value_name = "ORIGIN,…",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<Origin>,
    /// Networks of the proxies and load balancers in front, which say who the client is: what limits count by.
    #[arg(
        long = "trusted-proxies",
        env = "MOVIEBOOKING_TRUSTED_PROXIES",
        value_name = "CIDR,…",
        value_delimiter = ',',
        value_parser = origin::network
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it; it must be one that they write or remove.
    #[arg(
        long = "forwarded-header",
        env = "MOVIEBOOKING_FORWARDED_HEADER",
        value_enum,
        default_value_t = ForwardedHeader::XForwardedFor
    )]
    pub forwarded_header: ForwardedHeader,
    /// Largest body of a request, in bytes.
    #[arg(long, env = "MOVIEBOOKING_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub max_body_bytes: usize,
    /// Requests that are worked on at once; more are answered with 503.
    #[arg(long, env = "MOVIEBOOKING_MAX_REQUESTS", value_name = "COUNT", default_value_t = 2_048)]
    pub max_requests: usize,
    /// Streams of changes that are open at once; more are answered with 503.
    #[arg(long, env = "MOVIEBOOKING_MAX_STREAMS", value_name = "COUNT", default_value_t = 4_096)]
    pub max_streams: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            max_body_bytes: 1024 * 1024,
            max_requests: 2_048,
            max_streams: 4_096,
        }
    }
}

/// An origin as browsers send it (RFC 6454), or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every origin: `*`. Safe because tokens go in a header that other sites cannot set, not in a cookie.
    Any,
    /// This one.
    One(HeaderValue),
}

/// The text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use scheme://host or scheme://host:port without a path, or * for every origin")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let uri: Uri = text.parse().map_err(|_| OriginError)?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        // The parser adds the path "/": an origin ends with its host or port.
        let bare = uri.host().is_some_and(|host| !host.is_empty()) && text.matches('/').count() == 2;
        if !web || !bare || text.contains(['@', '?', '#']) {
            return Err(OriginError);
        }
        HeaderValue::from_str(&text.to_ascii_lowercase()).map(Self::One).map_err(|_| OriginError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        assert_eq!("*".parse(), Ok(Origin::Any));
        for good in ["https://tickets.example.com", "http://localhost:5173"] {
            assert_eq!(good.parse(), Ok(Origin::One(HeaderValue::from_static(good))));
        }
        for bad in
            ["", "tickets.example.com", "https://", "https://a/", "https://a/b", "ftp://a", "https://u@a"]
        {
            assert_eq!(bad.parse::<Origin>(), Err(OriginError), "{bad}");
        }
    }
}
