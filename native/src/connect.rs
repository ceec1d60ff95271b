//! Connecting the driver.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::{Session, TlsContext};
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::cluster::metadata::Peer;
use scylla::policies::host_filter::{DcHostFilter, HostFilter};
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;

use crate::address_map::Addresses;
use crate::config::Config;
use crate::failure::{within, Failure, Status};
use crate::tls::{self, Refusals};

/// For one node; a dead contact point must not use up the time of the others.
const CONNECT_TIMEOUT_OF_A_NODE: Duration = Duration::from_secs(5);

/// The driver, and what it was connected with.
pub struct Connected {
    pub session: Session,
    pub config: Config,
    pub addresses: Addresses,
}

/// The only node to which a session connects.
pub struct OneNode {
    pub host_id: u128,
    /// Where to connect.
    pub address: SocketAddr,
}

struct OnlyHost(u128);

impl HostFilter for OnlyHost {
    fn accept(&self, peer: &Peer) -> bool {
        peer.host_id.as_u128() == self.0
    }
}

/// Of schema changes; preparations go to every node that is connected.
fn routing(config: &Config) -> Arc<dyn LoadBalancingPolicy> {
    let policy = DefaultPolicy::builder().permit_dc_failover(config.datacenter_failover);
    let policy = match (&config.local_datacenter, &config.local_rack) {
        (Some(datacenter), Some(rack)) => {
            policy.prefer_datacenter_and_rack(datacenter.clone(), rack.clone())
        }
        (Some(datacenter), None) => policy.prefer_datacenter(datacenter.clone()),
        (None, _) => policy,
    };
    policy.build()
}

fn identity(config: &Config) -> SelfIdentity<'static> {
    let mut identity = SelfIdentity::new();
    if let Some(name) = &config.application_name {
        identity.set_application_name(name.clone());
    }
    if let Some(version) = &config.application_version {
        identity.set_application_version(version.clone());
    }
    identity
}

fn builder(
    config: &Config,
    addresses: &Addresses,
    only: Option<&OneNode>,
    refusals: &Refusals,
) -> Result<SessionBuilder, Failure> {
    let profile = ExecutionProfile::builder()
        // Commands have deadlines of their own.
        .request_timeout(None)
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .load_balancing_policy(routing(config))
        .build();
    let mut builder = SessionBuilder::new()
        .default_execution_profile_handle(profile.into_handle())
        .custom_identity(identity(config))
        .connection_timeout(CONNECT_TIMEOUT_OF_A_NODE.min(config.connect_timeout))
        .keepalive_interval(config.keepalive)
        .keepalive_timeout(config.keepalive)
        .tcp_keepalive_interval(config.keepalive)
        // Requests do not go through the driver, so one connection to each node is enough, of any shard.
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        .disallow_shard_aware_port(true)
        // Only what routing needs; column types come with each prepared statement.
        .fetch_full_schema_metadata(false)
        // Would send this configuration to the server.
        .driver_config_reporting(false);
    builder = match only {
        Some(node) => builder
            .known_node_addr(node.address)
            .host_filter(Arc::new(OnlyHost(node.host_id))),
        None => builder.known_nodes(&config.contact_points),
    };
    if let (None, Some(datacenter), false) =
        (only, &config.local_datacenter, config.datacenter_failover)
    {
        builder = builder.host_filter(Arc::new(DcHostFilter::new(datacenter.clone())));
    }
    if !addresses.is_empty() {
        builder = builder.address_translator(Arc::new(addresses.clone()));
    }
    if let Some(user) = &config.user {
        builder = builder.user(user, config.password.as_deref().unwrap_or_default());
    }
    if let Some(tls) = &config.tls {
        let context = tls::builder(tls, config.host_names(), refusals)?;
        builder = builder.tls_context(Some(TlsContext::from(context)));
    }
    Ok(builder)
}

fn expected<'a>(what: String, known: impl Iterator<Item = Option<&'a str>>) -> Failure {
    let known: BTreeSet<&str> = known.flatten().collect();
    let known: Vec<&str> = known.into_iter().collect();
    let message = format!("unknown {what}, expected one of: {}", known.join(", "));
    Failure::new(Status::Config, message)
}

fn check_place(session: &Session, config: &Config) -> Result<(), Failure> {
    let state = session.get_cluster_state();
    let nodes = state.get_nodes_info();
    let Some(datacenter) = config.local_datacenter.as_deref() else {
        return match &config.local_rack {
            None => Ok(()),
            Some(rack) => {
                let message = format!("the rack '{rack}' is configured without its datacentre");
                Err(Failure::new(Status::Config, message))
            }
        };
    };
    let here = |node: &&Arc<_>| node_datacenter(node) == Some(datacenter);
    if !nodes.iter().any(|node| here(&node)) {
        let known = nodes.iter().map(node_datacenter);
        return Err(expected(format!("datacentre '{datacenter}'"), known));
    }
    let Some(rack) = config.local_rack.as_deref() else {
        return Ok(());
    };
    let racks = || nodes.iter().filter(here).map(|node| node.rack.as_deref());
    if racks().any(|known| known == Some(rack)) {
        return Ok(());
    }
    let what = format!("rack '{rack}' in datacentre '{datacenter}'");
    Err(expected(what, racks()))
}

fn node_datacenter(node: &Arc<scylla::cluster::Node>) -> Option<&str> {
    node.datacenter.as_deref()
}

fn lacks_client_certificate(config: &Config) -> bool {
    let tls = config.tls.as_ref();
    tls.is_some_and(|tls| tls.certificate_file.is_none())
}

fn explained(mut failure: Failure, config: &Config, refusals: &Refusals) -> Failure {
    if let Some(reason) = refusals.last().filter(|_| config.tls.is_some()) {
        failure = Failure::new(
            Status::Tls,
            format!("the server's certificate is not accepted: {reason}"),
        );
    } else if failure.status == Status::Unavailable && lacks_client_certificate(config) {
        // With TLS 1.3 the server's refusal comes after the handshake, and the driver loses it.
        failure
            .message
            .push_str(" (the server may require a client certificate; none is configured)");
    }
    let points = config.contact_points.join(", ");
    failure.message = format!("cannot connect to {points}: {}", failure.message);
    failure
}

/// Not the builder's part: that would fail first when the datacentre is unknown.
async fn use_keyspace(session: &Session, config: &Config) -> Result<(), Failure> {
    let Some(keyspace) = &config.keyspace else {
        return Ok(());
    };
    let used = session.use_keyspace(keyspace, false).await;
    used.map_err(|error| Failure::from(&error))
}

/// The session of the whole cluster.
pub async fn connect(config: Config) -> Result<Connected, Failure> {
    let refusals = Refusals::default();
    let connecting = async {
        let addresses = config.address_map.resolve().await?;
        let builder = builder(&config, &addresses, None, &refusals)?;
        let session = builder.build().await;
        let session = session.map_err(|error| Failure::from(&error))?;
        let place = check_place(&session, &config);
        if place.is_ok() {
            use_keyspace(&session, &config).await?;
        }
        Ok((session, addresses, place))
    };
    match within(config.connect_timeout, connecting).await {
        Ok((session, addresses, place)) => place.map(|()| Connected {
            session,
            config,
            addresses,
        }),
        Err(mut failure) => {
            if failure.status == Status::ClientTimeout {
                failure.status = Status::Unavailable;
            }
            Err(explained(failure, &config, &refusals))
        }
    }
}

/// A session of one node only. The caller keeps the time.
pub async fn connect_to(connected: &Connected, node: &OneNode) -> Result<Session, Failure> {
    let config = &connected.config;
    let refusals = Refusals::default();
    let builder = builder(config, &connected.addresses, Some(node), &refusals)?;
    let session = builder.build().await;
    let session = session.map_err(|error| explained(Failure::from(&error), config, &refusals))?;
    use_keyspace(&session, config).await?;
    Ok(session)
}
