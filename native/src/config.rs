//! A session's configuration, and connecting with it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::X509;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::{Session, TlsContext};
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::{
    SimpleSpeculativeExecutionPolicy, SpeculativeExecutionPolicy,
};
use scylla::statement::Consistency;

use crate::budget::Budgeted;
use crate::failure::{Failure, Status};

/// For one node; a dead contact point must not use up the time of the others.
const CONNECT_TIMEOUT_OF_A_NODE: Duration = Duration::from_secs(5);
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
    pub local_datacenter: Option<String>,
    pub local_rack: Option<String>,
    pub datacenter_failover: bool,
    pub keyspace: Option<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub tls: Option<Tls>,
    pub consistency: Consistency,
    pub connect_timeout: Duration,
    pub application_name: Option<String>,
    pub application_version: Option<String>,
    pub keepalive: Duration,
    pub speculative: Option<Speculative>,
}

/// Further executions of an idempotent statement that takes longer, on other nodes.
#[derive(Clone, Copy)]
pub struct Speculative {
    pub after: Duration,
    pub max: usize,
}

/// Why certificates were refused; OpenSSL's own error only says that they were.
type Refusals = Arc<Mutex<Option<String>>>;

fn last(refusals: &Refusals) -> Option<String> {
    refusals
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .clone()
}

fn tls_failure(what: &str, file: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Tls, format!("{what} {file}: {error}"))
}

fn tls_builder(tls: &Tls, refusals: &Refusals) -> Result<SslConnectorBuilder, Failure> {
    let internal = |error: openssl::error::ErrorStack| Failure::new(Status::Tls, error.to_string());
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(internal)?;
    if let Some(file) = &tls.ca_file {
        let what = "the certificate authority";
        let pem = std::fs::read(file).map_err(|error| tls_failure(what, file, error))?;
        let all = X509::stack_from_pem(&pem).map_err(|error| tls_failure(what, file, error))?;
        if all.is_empty() {
            return Err(tls_failure(what, file, "holds no PEM certificate"));
        }
        // Only these are trusted, not the system's as well.
        let mut store = X509StoreBuilder::new().map_err(internal)?;
        for certificate in all {
            store.add_cert(certificate).map_err(internal)?;
        }
        builder.set_cert_store(store.build());
    }
    if let Some(file) = &tls.certificate_file {
        builder
            .set_certificate_chain_file(file)
            .map_err(|error| tls_failure("the client certificate", file, error))?;
        let key = tls.key_file.as_deref().unwrap_or(file);
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .and_then(|()| builder.check_private_key())
            .map_err(|error| tls_failure("the client key", key, error))?;
    }
    let refusals = Arc::clone(refusals);
    builder.set_verify_callback(SslVerifyMode::PEER, move |accepted, context| {
        if !accepted {
            let reason = context.error().error_string();
            let subject = context
                .current_cert()
                .map(|certificate| format!(" (certificate of {})", subject_of(certificate)));
            let reason = format!("{reason}{}", subject.unwrap_or_default());
            *refusals
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(reason);
        }
        accepted
    });
    Ok(builder)
}

fn subject_of(certificate: &openssl::x509::X509Ref) -> String {
    let parts: Vec<String> = certificate
        .subject_name()
        .entries()
        .filter_map(|entry| {
            let name = entry.object().nid().short_name().ok()?;
            let value = entry.data().to_string().ok()?;
            Some(format!("{name}={value}"))
        })
        .collect();
    parts.join(", ")
}

fn routing(config: &Config) -> Arc<dyn LoadBalancingPolicy> {
    let policy = DefaultPolicy::builder()
        .token_aware(true)
        .permit_dc_failover(config.datacenter_failover);
    let policy = match (&config.local_datacenter, &config.local_rack) {
        (Some(datacenter), Some(rack)) => {
            policy.prefer_datacenter_and_rack(datacenter.clone(), rack.clone())
        }
        (Some(datacenter), None) => policy.prefer_datacenter(datacenter.clone()),
        (None, _) => policy,
    };
    Arc::new(Budgeted(policy.build()))
}

fn builder(config: &Config, refusals: &Refusals) -> Result<SessionBuilder, Failure> {
    let profile = ExecutionProfile::builder()
        .consistency(config.consistency)
        .serial_consistency(None)
        // Deadlines are the slots' (wheel.rs): no timer of the runtime per request.
        .request_timeout(None)
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .load_balancing_policy(routing(config))
        .speculative_execution_policy(config.speculative.map(|speculative| {
            let policy: Arc<dyn SpeculativeExecutionPolicy> =
                Arc::new(SimpleSpeculativeExecutionPolicy {
                    max_retry_count: speculative.max,
                    retry_interval: speculative.after,
                });
            policy
        }))
        .build();
    let mut identity = SelfIdentity::new();
    if let Some(name) = &config.application_name {
        identity.set_application_name(name.clone());
    }
    if let Some(version) = &config.application_version {
        identity.set_application_version(version.clone());
    }
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .custom_identity(identity)
        .connection_timeout(CONNECT_TIMEOUT_OF_A_NODE.min(config.connect_timeout))
        .keepalive_interval(config.keepalive)
        .keepalive_timeout(config.keepalive)
        .tcp_keepalive_interval(config.keepalive)
        .pool_size(PoolSize::PerShard(NonZeroUsize::MIN))
        // Only what routing needs; column types come with each prepared statement.
        .fetch_full_schema_metadata(false)
        // Would send this configuration to the server.
        .driver_config_reporting(false);
    if let Some(user) = &config.user {
        builder = builder.user(user, config.password.as_deref().unwrap_or_default());
    }
    if let Some(keyspace) = &config.keyspace {
        builder = builder.use_keyspace(keyspace, false);
    }
    if let Some(tls) = &config.tls {
        let context = TlsContext::from(tls_builder(tls, refusals)?);
        builder = builder.tls_context(Some(context));
    }
    Ok(builder)
}

fn check_datacenter(session: &Session, config: &Config) -> Result<(), Failure> {
    let Some(wanted) = &config.local_datacenter else {
        return Ok(());
    };
    let state = session.get_cluster_state();
    let mut known: Vec<&str> = state
        .get_nodes_info()
        .iter()
        .filter_map(|node| node.datacenter.as_deref())
        .collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&wanted.as_str()) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Config,
        format!(
            "unknown datacentre '{wanted}', expected one of: {}",
            known.join(", ")
        ),
    ))
}

fn lacks_client_certificate(config: &Config) -> bool {
    let tls = config.tls.as_ref();
    tls.is_some_and(|tls| tls.certificate_file.is_none())
}

pub async fn connect(config: &Config) -> Result<Session, Failure> {
    let refusals = Refusals::default();
    let connecting = builder(config, &refusals)?;
    let points = config.contact_points.join(", ");
    let explain = |mut failure: Failure| {
        if let Some(reason) = last(&refusals).filter(|_| config.tls.is_some()) {
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
        failure.message = format!("cannot connect to {points}: {}", failure.message);
        failure
    };
    let session = match tokio::time::timeout(config.connect_timeout, connecting.build()).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return Err(explain(Failure::from(&error))),
        Err(_) => {
            return Err(explain(Failure::new(
                Status::Unavailable,
                format!("no answer within {} ms", config.connect_timeout.as_millis()),
            )))
        }
    };
    check_datacenter(&session, config)?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tls: Tls) -> Failure {
        tls_builder(&tls, &Refusals::default())
            .err()
            .expect("must be refused")
    }

    #[test]
    fn unusable_certificate_files_are_named() {
        let missing = Tls {
            ca_file: Some("/nonexistent/ca.pem".into()),
            ..Tls::default()
        };
        let failure = refused(missing);
        assert_eq!(failure.status, Status::Tls);
        assert!(failure.message.contains("/nonexistent/ca.pem"));

        let not_pem = Tls {
            ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
            ..Tls::default()
        };
        assert!(refused(not_pem).message.contains("no PEM certificate"));

        let key = Tls {
            certificate_file: Some("/nonexistent/client.pem".into()),
            ..Tls::default()
        };
        assert!(refused(key).message.contains("/nonexistent/client.pem"));
    }
}
