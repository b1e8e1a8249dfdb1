//! Where a request comes from: the address of its connection, or what the proxies in front say.
//!
//! A client can write anything into these headers, and a proxy adds the address of whoever it talked to on the right. So
//! the list is read from the right for as long as the addresses are those of our own proxies: the first that is not is
//! the client's, and what stands left of it is the client's own invention.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// In which header the proxies in front say who the client is. The other one is the client's to write, so it is one or
/// the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`, which nearly all proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// The client's address of a request that came from `peer`, where `trusted` are our own proxies.
pub(crate) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
    header: ForwardedHeader,
) -> IpAddr {
    let is_ours = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    if !is_ours(client) {
        return client;
    }
    let name = match header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    // A quoted comma would be the client's own doing: what our proxies add has none.
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let named = match header {
            ForwardedHeader::XForwardedFor => address(entry),
            ForwardedHeader::Forwarded => forwarded_for(entry).and_then(address),
        };
        // Who does not say (`unknown`, RFC 7239 section 6.2) is known by the proxy that was asked.
        let Some(named) = named else { break };
        client = named;
        if !is_ours(client) {
            break;
        }
    }
    client
}

/// The value of `for` in an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address =
        alone.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// A network in CIDR notation, or one address.
///
/// # Errors
/// When it is neither.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or("use a network such as 10.0.0.0/8 or fd00::/8, or one address")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, header: ForwardedHeader, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"].map(|text| network(text).unwrap());
        let mut headers = HeaderMap::new();
        // The one that is not asked for says what it likes.
        headers.insert("forwarded", "for=6.6.6.6".parse().unwrap());
        headers.insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
        let name = if header == ForwardedHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        headers.remove(name);
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted, header).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_not_ours_counts() {
        let client_of = |peer, lines: &[&str]| client_of(peer, ForwardedHeader::XForwardedFor, lines);
        assert_eq!(client_of("203.0.113.9", &["198.51.100.7"]), "203.0.113.9", "a stranger says nothing");
        assert_eq!(client_of("10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client_of("::ffff:10.1.2.3", &["6.6.6.6, 198.51.100.7 ,192.0.2.1"]), "198.51.100.7");
        assert_eq!(client_of("10.1.2.3", &["6.6.6.6, 198.51.100.7", "10.9.9.9"]), "198.51.100.7");
        assert_eq!(client_of("10.1.2.3", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client_of("10.1.2.3", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client_of("10.1.2.3", &["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(client_of("10.1.2.3", &["10.0.0.5, 10.0.0.6"]), "10.0.0.5", "somebody inside");
        assert_eq!(client_of("10.1.2.3", &["6.6.6.6, unknown"]), "10.1.2.3");
        assert_eq!(client_of("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn the_standard_header_is_read_when_it_is_asked_for() {
        let client_of = |lines: &[&str]| client_of("fd00::1", ForwardedHeader::Forwarded, lines);
        assert_eq!(client_of(&["for=198.51.100.7;proto=https;by=10.0.0.1"]), "198.51.100.7");
        assert_eq!(
            client_of(&["for=6.6.6.6, For=\"[2001:db8::7]:4711\";proto=https, for=10.0.0.1"]),
            "2001:db8::7"
        );
        assert_eq!(client_of(&["for=\"6.6.6.6, for=198.51.100.7"]), "198.51.100.7");
        assert_eq!(client_of(&["for=6.6.6.6, for=_hidden"]), "fd00::1");
        assert_eq!(client_of(&["proto=https"]), "fd00::1");
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_form() {
        for bad in ["", "10.0.0.0/33", "localhost", "10.0.0"] {
            assert!(network(bad).unwrap_err().contains("10.0.0.0/8"), "{bad}");
        }
    }
}
