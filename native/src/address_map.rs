//! Where to connect instead of the address that the cluster announces, for nodes behind NAT.
//!
//! The driver does not read the ports that nodes announce: it gives every node the port of the control connection,
//! which behind NAT is that of one translated address. So an entry with a port also stands for its address with
//! another port, when it is the only entry of that address.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};

use crate::failure::{Failure, Status};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    address: IpAddr,
    port: Option<u16>,
    host: String,
    host_port: Option<u16>,
}

/// As configured, with names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap(Vec<Entry>);

/// The host without the brackets of an IPv6 address, and what follows its colon.
pub fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        // More than one colon: an IPv6 address alone.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

fn port_of(text: Option<&str>) -> Result<Option<u16>, &'static str> {
    match text.map(str::parse::<u16>) {
        None => Ok(None),
        Some(Ok(port)) if port > 0 => Ok(Some(port)),
        Some(_) => Err("a port is a number from 1 to 65535"),
    }
}

fn entry_of(text: &str) -> Result<Entry, &'static str> {
    let (from, to) = text
        .split_once('=')
        .ok_or("expected ADDRESS[:PORT]=HOST[:PORT]")?;
    let (address, port) = split_port(from.trim());
    let (host, host_port) = split_port(to.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.parse::<IpAddr>().is_err() && (host.is_empty() || !host.chars().all(is_name)) {
        return Err("what is right of '=' is neither an IP address nor a host name");
    }
    Ok(Entry {
        address: address
            .parse()
            .map_err(|_| "what is left of '=' is not an IP address")?,
        port: port_of(port)?,
        host: host.to_owned(),
        host_port: port_of(host_port)?,
    })
}

impl AddressMap {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut all: Vec<Entry> = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let refused = |why| {
                let message = format!("the address map's entry '{part}' cannot be used: {why}");
                Failure::new(Status::Config, message)
            };
            let entry = entry_of(part).map_err(refused)?;
            let is_same =
                |known: &Entry| (known.address, known.port) == (entry.address, entry.port);
            if all.iter().any(is_same) {
                return Err(refused("the address is listed twice"));
            }
            all.push(entry);
        }
        Ok(AddressMap(all))
    }

    /// Asks for the addresses of names.
    pub async fn resolve(&self) -> Result<Addresses, Failure> {
        let mut all = Vec::with_capacity(self.0.len());
        for entry in &self.0 {
            let unresolved = |why: String| {
                let host = &entry.host;
                let message = format!("the address map's host '{host}' cannot be resolved: {why}");
                Failure::new(Status::Unavailable, message)
            };
            let found = tokio::net::lookup_host((entry.host.as_str(), 0)).await;
            let found = found.map_err(|error| unresolved(error.to_string()))?.next();
            let found = found.ok_or_else(|| unresolved("it has no address".to_owned()))?;
            all.push(Resolved {
                address: entry.address,
                port: entry.port,
                to: found.ip(),
                to_port: entry.host_port,
            });
        }
        Ok(Addresses(all))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resolved {
    address: IpAddr,
    port: Option<u16>,
    to: IpAddr,
    to_port: Option<u16>,
}

/// The map with addresses only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Vec<Resolved>);

impl Addresses {
    fn find(&self, announced: SocketAddr) -> Option<&Resolved> {
        let mut of_address = self.0.iter().filter(|of| of.address == announced.ip());
        let with = |port| move |of: &&Resolved| of.port == port;
        let exact = of_address.clone().find(with(Some(announced.port())));
        let any_port = of_address.clone().find(with(None));
        exact.or(any_port).or_else(|| {
            let first = of_address.next();
            first.filter(|_| of_address.next().is_none())
        })
    }

    /// Where to connect.
    pub fn translate(&self, announced: SocketAddr) -> SocketAddr {
        match self.find(announced) {
            Some(of) => {
                let port = of.to_port.or(of.port).unwrap_or(announced.port());
                SocketAddr::new(of.to, port)
            }
            None => announced,
        }
    }

    /// The announced address with the port that the map knows for it.
    pub fn announced(&self, known: SocketAddr) -> SocketAddr {
        let port = self.find(known).and_then(|of| of.port);
        SocketAddr::new(known.ip(), port.unwrap_or(known.port()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[async_trait]
impl AddressTranslator for Addresses {
    async fn translate_address(
        &self,
        peer: &UntranslatedPeer,
    ) -> Result<SocketAddr, TranslationError> {
        Ok(self.translate(peer.untranslated_address()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Addresses {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let map = AddressMap::parse(text).unwrap();
        runtime.block_on(map.resolve()).unwrap()
    }

    fn translated(map: &Addresses, from: &str) -> String {
        map.translate(from.parse().unwrap()).to_string()
    }

    #[test]
    fn listed_addresses_are_translated_and_others_stay() {
        let map = resolved(
            "10.0.0.1:9042=127.0.0.1:19142, [fd00::1]:9042=[::1]:19143,10.0.0.2=127.0.0.2",
        );
        for (from, to) in [
            ("10.0.0.1:9042", "127.0.0.1:19142"),
            ("[fd00::1]:9042", "[::1]:19143"),
            ("10.0.0.2:9042", "127.0.0.2:9042"),
            ("10.0.0.2:1234", "127.0.0.2:1234"),
            ("10.0.0.3:9042", "10.0.0.3:9042"),
        ] {
            assert_eq!(translated(&map, from), to, "{from}");
        }
    }

    #[test]
    fn an_entry_without_a_port_on_the_right_keeps_the_announced_one() {
        let map = resolved("10.0.0.1:9142=127.0.0.1");
        assert_eq!(translated(&map, "10.0.0.1:9142"), "127.0.0.1:9142");
    }

    #[test]
    fn the_port_of_the_control_connection_does_not_hide_the_only_entry_of_an_address() {
        let map = resolved("10.0.0.1:9042=127.0.0.1:19142");
        assert_eq!(translated(&map, "10.0.0.1:19150"), "127.0.0.1:19142");
        let announced = map.announced("10.0.0.1:19150".parse().unwrap());
        assert_eq!(announced.to_string(), "10.0.0.1:9042");
    }

    #[test]
    fn the_exact_port_comes_before_any_port() {
        let map =
            resolved("10.0.0.1=127.0.0.1:1,10.0.0.1:9042=127.0.0.1:2,10.0.0.1:9043=127.0.0.1:3");
        assert_eq!(translated(&map, "10.0.0.1:9043"), "127.0.0.1:3");
        assert_eq!(translated(&map, "10.0.0.1:9044"), "127.0.0.1:1");
    }

    #[test]
    fn names_on_the_right_are_resolved() {
        let map = resolved("10.0.0.1:9042=localhost:19142");
        let to = map.translate("10.0.0.1:9042".parse().unwrap());
        assert!(to.ip().is_loopback() && to.port() == 19142, "{to}");
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_named() {
        for bad in [
            "10.0.0.1",
            "10.0.0.1:9042=",
            "host=127.0.0.1",
            "10.0.0.1:x=127.0.0.1",
            "10.0.0.1:0=127.0.0.1",
            "10.0.0.1:9042=127.0.0.1:99999",
            "10.0.0.1=not a host",
        ] {
            let failure = AddressMap::parse(&format!("10.0.0.9=127.0.0.9,{bad}")).unwrap_err();
            assert_eq!(failure.status, Status::Config, "{bad}");
            assert!(
                failure.message.contains(&format!("'{bad}'")),
                "{}",
                failure.message
            );
        }
        let twice = AddressMap::parse("10.0.0.1=127.0.0.1,10.0.0.1=127.0.0.2").unwrap_err();
        assert!(
            twice.message.contains("'10.0.0.1=127.0.0.2'"),
            "{}",
            twice.message
        );
    }
}
