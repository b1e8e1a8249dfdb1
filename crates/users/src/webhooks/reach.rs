//! Which addresses the platform sends to. An admin names URLs; what they lead to must not be something inside the network
//! that the platform runs in (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// The URL, if the platform may send to it; else what to do about it. A host's name is looked at when it is resolved.
pub(super) fn parse(text: &str, allow_local: bool) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "use a URL like https://example.org/hook")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_local => {}
        "http" => return Err("use https"),
        _ => return Err("use a URL like https://example.org/hook"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out: every message is signed");
    }
    if url.fragment().is_some() {
        return Err("leave out what follows #");
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if !allow_local && address.is_ok_and(|address| !is_public(address)) {
        return Err("use a public address");
    }
    Ok(url)
}

/// Resolves names to those of their addresses that are public; connections are made to these and no others.
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the host has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is reached over the internet: the special-purpose registries of IANA (RFC 6890) say which are not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        // Shared between a provider and its customers (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // Of the IETF (RFC 6890), and the relays of 6to4 (RFC 7526).
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks (RFC 2544).
        || (a == 198 && (18..20).contains(&b))
        // Reserved, and broadcast.
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast is 2000::/3; what of it is no way to the internet, or another way to IPv4, is left out: protocol
    // assignments with Teredo (2001::/23), documentation (2001:db8::/32, 3fff::/20), 6to4 (2002::/16).
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_is_reached() {
        for public in ["1.1.1.1", "93.184.216.34", "100.63.255.255", "2606:4700:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "100::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn a_url_is_https_and_leads_out() {
        assert!(parse("https://example.org/hook?x=1", false).is_ok());
        for bad in [
            "http://example.org/",
            "ftp://example.org/",
            "https://",
            "example.org",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://joe:secret@example.org/",
            "https://example.org/#x",
        ] {
            assert!(parse(bad, false).is_err(), "{bad}");
        }
        for local in ["http://127.0.0.1:8080/", "http://receiver.test/", "https://[::1]/"] {
            assert!(parse(local, true).is_ok(), "{local}");
        }
    }
}
