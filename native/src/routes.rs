//! What another data plane needs to send requests itself: the nodes, which of them hold which tokens, and the ids of
//! the prepared statements. Every I/O thread publishes its own view, and C++ looks at its version once per turn.

use std::collections::HashMap;
use std::ffi::{c_char, CString};
use std::sync::Arc;

use scylla::cluster::ClusterState;
use scylla::routing::partitioner::PartitionerName;

use crate::known::Known;
use crate::statement::text;

/// Fills a row of a ring whose token has fewer replicas than others.
const NO_REPLICA: u32 = u32::MAX;
/// The version of an I/O thread that has ended.
pub const CLOSED: u64 = u64::MAX;

/// As C reads it; points into the texts beside it.
#[repr(C)]
pub struct CNode {
    address: *const c_char,
    datacenter: *const c_char,
    rack: *const c_char,
    port: u32,
    reserved: u32,
    host_id: [u8; 16],
}

#[repr(C)]
pub struct CRing {
    tokens: *const i64,
    replicas: *const u32,
    token_count: usize,
    replicas_max: usize,
}

#[repr(C)]
pub struct CExecutable {
    id: *const u8,
    id_size: usize,
    statement: u32,
    ring: i32,
}

#[derive(Debug, PartialEq, Eq)]
struct Node {
    address: CString,
    datacenter: CString,
    rack: CString,
    port: u16,
    host_id: [u8; 16],
}

/// Row k of the replicas holds what is behind the token before, up to token k.
#[derive(Debug, PartialEq, Eq)]
pub struct Ring {
    tokens: Vec<i64>,
    replicas: Vec<u32>,
    replicas_max: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Executable {
    id: Vec<u8>,
    statement: u32,
    ring: Option<usize>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    nodes: Vec<Node>,
    rings: Vec<Arc<Ring>>,
    executables: Vec<Executable>,
}

/// One view, for as long as anybody holds it.
#[derive(Default)]
pub struct Routes {
    content: Content,
    nodes: Vec<CNode>,
    rings: Vec<CRing>,
    executables: Vec<CExecutable>,
}

// SAFETY: the pointers lead into heap blocks of `content`, which never change.
unsafe impl Send for Routes {}
unsafe impl Sync for Routes {}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.content.fmt(f)
    }
}

impl Routes {
    fn new(content: Content) -> Self {
        let nodes = content.nodes.iter().map(|node| CNode {
            address: node.address.as_ptr(),
            datacenter: node.datacenter.as_ptr(),
            rack: node.rack.as_ptr(),
            port: u32::from(node.port),
            reserved: 0,
            host_id: node.host_id,
        });
        let rings = content.rings.iter().map(|ring| CRing {
            tokens: ring.tokens.as_ptr(),
            replicas: ring.replicas.as_ptr(),
            token_count: ring.tokens.len(),
            replicas_max: ring.replicas_max,
        });
        let executables = content.executables.iter().map(|known| CExecutable {
            id: known.id.as_ptr(),
            id_size: known.id.len(),
            statement: known.statement,
            ring: known.ring.map_or(-1, |ring| ring as i32),
        });
        Routes {
            nodes: nodes.collect(),
            rings: rings.collect(),
            executables: executables.collect(),
            content,
        }
    }

    pub fn nodes(&self) -> &[CNode] {
        &self.nodes
    }

    pub fn rings(&self) -> &[CRing] {
        &self.rings
    }

    pub fn executables(&self) -> &[CExecutable] {
        &self.executables
    }
}

fn ring_of(cluster: &ClusterState, keyspace: &str) -> Ring {
    let places: HashMap<u128, u32> = cluster
        .get_nodes_info()
        .iter()
        .zip(0..)
        .map(|(node, place)| (node.host_id.as_u128(), place))
        .collect();
    let mut tokens = Vec::new();
    let mut rows = Vec::new();
    for (token, _) in cluster.replica_locator().ring().iter() {
        tokens.push(token.value());
        // The table only matters where there are tablets.
        let endpoints = cluster.get_token_endpoints(keyspace, "", *token);
        let row: Vec<u32> = endpoints
            .iter()
            .filter_map(|(node, _)| places.get(&node.host_id.as_u128()).copied())
            .collect();
        rows.push(row);
    }
    let replicas_max = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut replicas = Vec::with_capacity(rows.len() * replicas_max);
    for row in rows {
        let missing = replicas_max - row.len();
        replicas.extend(row);
        replicas.extend(std::iter::repeat_n(NO_REPLICA, missing));
    }
    Ring {
        tokens,
        replicas,
        replicas_max,
    }
}

/// Of one I/O thread.
#[derive(Default)]
pub struct Atlas {
    /// What the rings were made from: they are only made again for another state.
    cluster: Option<Arc<ClusterState>>,
    rings: HashMap<String, Arc<Ring>>,
    published: Arc<Routes>,
}

impl Atlas {
    /// None when nothing changed.
    pub fn update<'a>(
        &mut self,
        cluster: Arc<ClusterState>,
        statements: impl Iterator<Item = (usize, &'a Known)>,
    ) -> Option<Arc<Routes>> {
        let is_same = |known: &Arc<ClusterState>| Arc::ptr_eq(known, &cluster);
        if !self.cluster.as_ref().is_some_and(is_same) {
            self.rings.clear();
        }
        let mut content = Content {
            nodes: cluster
                .get_nodes_info()
                .iter()
                .map(|node| Node {
                    address: text(&node.address.ip().to_string()),
                    datacenter: text(node.datacenter.as_deref().unwrap_or_default()),
                    rack: text(node.rack.as_deref().unwrap_or_default()),
                    port: node.address.port(),
                    host_id: *node.host_id.as_bytes(),
                })
                .collect(),
            ..Content::default()
        };
        for (number, known) in statements {
            if let Some(executable) =
                self.executable(&cluster, number as u32, known, &mut content.rings)
            {
                content.executables.push(executable);
            }
        }
        self.cluster = Some(cluster);
        if content == self.published.content {
            return None;
        }
        self.published = Arc::new(Routes::new(content));
        Some(Arc::clone(&self.published))
    }

    /// None: the driver has to send it.
    fn executable(
        &mut self,
        cluster: &ClusterState,
        number: u32,
        known: &Known,
        rings: &mut Vec<Arc<Ring>>,
    ) -> Option<Executable> {
        let prepared = &known.prepared;
        // Conditions are answered with columns of their own and routed to a primary replica.
        if known.outdated.is_some() || known.own_columns || prepared.is_confirmed_lwt() {
            return None;
        }
        let id = prepared.get_id().to_vec();
        let routed = prepared.is_token_aware()
            && *prepared.get_partitioner_name() == PartitionerName::Murmur3;
        let table = prepared.get_table_spec()?;
        let keyspace = cluster.get_keyspace(table.ks_name())?;
        // Tablet locations are reported to the driver only, which requests them.
        if keyspace.tablet_based {
            return None;
        }
        let ring = routed.then(|| {
            let of = self
                .rings
                .entry(table.ks_name().to_owned())
                .or_insert_with(|| Arc::new(ring_of(cluster, table.ks_name())));
            let known = rings.iter().position(|ring| Arc::ptr_eq(ring, of));
            known.unwrap_or_else(|| {
                rings.push(Arc::clone(of));
                rings.len() - 1
            })
        });
        Some(Executable {
            id,
            statement: number,
            ring,
        })
    }
}
