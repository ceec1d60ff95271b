//! A session's configuration, as the interface gives it.

use std::net::IpAddr;
use std::time::Duration;

use crate::address_map::{split_port, AddressMap};

/// How long a half-open connection goes unnoticed: interval and timeout.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub ca_file: Option<String>,
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
}

#[derive(Clone)]
pub struct Config {
    pub contact_points: Vec<String>,
    pub address_map: AddressMap,
    pub local_datacenter: Option<String>,
    pub local_rack: Option<String>,
    pub datacenter_failover: bool,
    pub keyspace: Option<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub tls: Option<Tls>,
    pub connect_timeout: Duration,
    pub application_name: Option<String>,
    pub application_version: Option<String>,
    pub keepalive: Duration,
}

impl Config {
    /// The contact points that are names: a node's certificate may carry one of them instead of its address.
    pub fn host_names(&self) -> Vec<String> {
        let hosts = self.contact_points.iter().map(|point| split_port(point).0);
        hosts
            .filter(|host| !host.is_empty() && host.parse::<IpAddr>().is_err())
            .map(|host| host.trim_end_matches('.').to_owned())
            .collect()
    }

    /// As the server writes it: the name goes to the server without quotes.
    pub fn keyspace_name(&self) -> Option<String> {
        self.keyspace.as_ref().map(|name| name.to_lowercase())
    }
}
