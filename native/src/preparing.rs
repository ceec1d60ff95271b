//! Preparing a statement on the nodes.
//!
//! The driver prepares on every node that is connected and waits for all of them, without a limit; and it refuses
//! what nodes of mixed versions answer, because their ids differ. Both must not stop a caller, who needs one answer
//! and can prepare again on the other nodes. So a second way starts when the first one takes long or meets such ids:
//! sessions of one node each, of which the first answer counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use scylla::cluster::ClusterState;
use scylla::errors::PrepareError;
use scylla::statement::prepared::PreparedStatement;
use tokio::task::{JoinError, JoinSet};

use crate::connect::{connect_to, Connected, OneNode};
use crate::control::Control;
use crate::failure::{Failure, Status};
use crate::shared::count;
use crate::statement::Description;

/// How long all nodes are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nodes that are asked one by one, at the same time: one of them is not the one that is stuck.
const ASKED: usize = 3;

type Answer = Result<PreparedStatement, Failure>;

/// The end of a way to prepare.
enum End {
    Answer(Answer),
    /// Nodes gave different ids.
    Mixed,
}

fn nodes_of(connected: &Connected) -> Vec<OneNode> {
    let state = connected.session.get_cluster_state();
    let nodes = state.get_nodes_info().iter();
    nodes
        .filter(|node| node.is_connected())
        .take(ASKED)
        .map(|node| OneNode {
            host_id: node.host_id.as_u128(),
            address: connected
                .addresses
                .translate(SocketAddr::new(node.address.ip(), node.address.port())),
        })
        .collect()
}

fn ask_single_nodes(connected: &Arc<Connected>, text: &str, ways: &mut JoinSet<End>) {
    for node in nodes_of(connected) {
        let connected = Arc::clone(connected);
        let text = text.to_owned();
        ways.spawn(async move {
            End::Answer(match connect_to(&connected, &node).await {
                Ok(session) => session
                    .prepare(text)
                    .await
                    .map_err(|error| Failure::from(&error)),
                Err(failure) => Err(failure),
            })
        });
    }
}

fn end_of(joined: Result<End, JoinError>) -> End {
    match joined {
        Ok(end) => end,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => End::Answer(Err(Failure::cancelled())),
    }
}

/// Whether another node would say the same.
fn is_final(answer: &Answer) -> bool {
    match answer {
        Ok(_) => true,
        Err(failure) => matches!(failure.status, Status::Invalid | Status::Unauthorized),
    }
}

async fn prepared(connected: &Arc<Connected>, text: &str) -> Answer {
    let mut ways = JoinSet::new();
    let everywhere = (Arc::clone(connected), text.to_owned());
    ways.spawn(async move {
        match everywhere.0.session.prepare(everywhere.1).await {
            Err(PrepareError::PreparedStatementIdsMismatch) => End::Mixed,
            other => End::Answer(other.map_err(|error| Failure::from(&error))),
        }
    });
    let first = tokio::time::timeout(PATIENCE, ways.join_next()).await;
    if let Some(End::Answer(answer)) = first.ok().flatten().map(end_of) {
        return answer;
    }
    ask_single_nodes(connected, text, &mut ways);
    let mut last = Err(Failure::new(Status::Unavailable, "no node is connected"));
    while let Some(way) = ways.join_next().await {
        if let End::Answer(answer) = end_of(way) {
            if is_final(&answer) {
                return answer;
            }
            last = answer;
        }
    }
    last
}

/// Whether the driver knows enough of the table to say how its keys become tokens.
fn knows(state: &ClusterState, keyspace: &str, table: &str) -> bool {
    state
        .get_keyspace(keyspace)
        .is_some_and(|known| known.tables.contains_key(table) || known.views.contains_key(table))
}

pub async fn prepare(control: &Control, text: String) -> Result<Description, Failure> {
    count(&control.shared.counters.prepared);
    let connected = control.connected();
    let prepared = prepared(&connected, &text).await?;
    let mut description = Description::of(&prepared);
    let (keyspace, table) = (description.keyspace.clone(), description.table.clone());
    if let (Ok(keyspace), Ok(table), false) =
        (keyspace.to_str(), table.to_str(), keyspace.is_empty())
    {
        if !knows(&connected.session.get_cluster_state(), keyspace, table) {
            // Another client made it a moment ago. What cannot be read in time comes with the driver's next look.
            let refreshed = connected.session.refresh_metadata();
            let _ = tokio::time::timeout(PATIENCE, refreshed).await;
        }
        let state = connected.session.get_cluster_state();
        let keyspaces = state.get_keyspace(keyspace);
        let known = keyspaces.and_then(|keyspace| keyspace.tables.get(table));
        // Tables without a partitioner of their own have the cluster's.
        let partitioner = known.and_then(|table| table.partitioner.as_deref());
        description.murmur3 = partitioner.is_none_or(|name| name.ends_with("Murmur3Partitioner"));
        control.remember_keyspace(keyspace);
        control.look();
    }
    Ok(description)
}
