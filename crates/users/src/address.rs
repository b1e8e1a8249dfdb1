//! Where a request comes from.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use tonic::metadata::MetadataMap;

/// Set by the gateway, which replaces whatever its client sent.
const HEADER: &str = "x-forwarded-for";
/// What one customer of a network provider has of IPv6: a /64 (RFC 6177).
const IPV6_NETWORK: u128 = !0 << 64;

/// Where a request comes from, as far as it is told apart: an IPv4 address or an IPv6 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(IpAddr);

impl Address {
    /// The address that the gateway named; `None` for calls from inside the platform.
    pub(crate) fn of(metadata: &MetadataMap) -> Option<Self> {
        let list = metadata.get(HEADER)?.to_str().ok()?;
        let first: IpAddr = list.split(',').next()?.trim().parse().ok()?;
        Some(Self(match first.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
            address => address,
        }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(header: &str) -> Option<String> {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, header.parse().unwrap());
        Address::of(&metadata).map(|address| address.to_string())
    }

    #[test]
    fn the_first_entry_counts() {
        assert_eq!(address("203.0.113.7").unwrap(), "203.0.113.7");
        assert_eq!(address(" 203.0.113.7 , 10.0.0.1").unwrap(), "203.0.113.7");
        assert_eq!(address("::ffff:203.0.113.7").unwrap(), "203.0.113.7");
        assert_eq!(Address::of(&MetadataMap::new()), None);
        for unreadable in ["", "unknown", "203.0.113.7:80", "203.0.113"] {
            assert_eq!(address(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        assert_eq!(address("2001:db8:1:2:3:4:5:6").unwrap(), "2001:db8:1:2::");
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
    }
}
