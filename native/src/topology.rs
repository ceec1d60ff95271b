//! What the data plane needs to choose nodes: which there are, and which of them hold which tokens.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{c_char, CString};
use std::net::SocketAddr;
use std::sync::Arc;

use scylla::cluster::metadata::Strategy;
use scylla::cluster::{ClusterState, Node};
use scylla::frame::response::result::TableSpec;

use crate::address_map::Addresses;
use crate::statement::text;

/// Fills a row of a ring whose token has fewer replicas than others.
const NO_REPLICA: u32 = u32::MAX;

/// As C reads it; points into the texts beside it.
#[repr(C)]
pub struct CNode {
    address: *const c_char,
    connect_address: *const c_char,
    datacenter: *const c_char,
    rack: *const c_char,
    port: u32,
    connect_port: u32,
    up: u32,
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
pub struct CKeyspace {
    name: *const c_char,
    tablets: u32,
    ring: i32,
}

#[derive(Debug, PartialEq, Eq)]
struct Member {
    address: CString,
    port: u16,
    connect_address: CString,
    connect_port: u16,
    datacenter: CString,
    rack: CString,
    up: bool,
    host_id: [u8; 16],
}

/// Row k of the replicas holds what is behind the token before, up to token k.
#[derive(Debug, PartialEq, Eq)]
struct Ring {
    tokens: Vec<i64>,
    replicas: Vec<u32>,
    replicas_max: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Keyspace {
    name: CString,
    tablets: bool,
    ring: Option<usize>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    nodes: Vec<Member>,
    keyspaces: Vec<Keyspace>,
    rings: Vec<Arc<Ring>>,
}

/// The topology, for as long as anybody holds it.
#[derive(Default)]
pub struct Snapshot {
    version: u64,
    content: Content,
    nodes: Vec<CNode>,
    keyspaces: Vec<CKeyspace>,
    rings: Vec<CRing>,
}

// SAFETY: the pointers lead into heap blocks of `content`, which never change.
unsafe impl Send for Snapshot {}
unsafe impl Sync for Snapshot {}

impl Snapshot {
    fn new(version: u64, content: Content) -> Self {
        let nodes = content.nodes.iter().map(|node| CNode {
            address: node.address.as_ptr(),
            connect_address: node.connect_address.as_ptr(),
            datacenter: node.datacenter.as_ptr(),
            rack: node.rack.as_ptr(),
            port: u32::from(node.port),
            connect_port: u32::from(node.connect_port),
            up: u32::from(node.up),
            reserved: 0,
            host_id: node.host_id,
        });
        let keyspaces = content.keyspaces.iter().map(|keyspace| CKeyspace {
            name: keyspace.name.as_ptr(),
            tablets: u32::from(keyspace.tablets),
            ring: keyspace.ring.map_or(-1, |ring| ring as i32),
        });
        let rings = content.rings.iter().map(|ring| CRing {
            tokens: ring.tokens.as_ptr(),
            replicas: ring.replicas.as_ptr(),
            token_count: ring.tokens.len(),
            replicas_max: ring.replicas_max,
        });
        Snapshot {
            version,
            nodes: nodes.collect(),
            keyspaces: keyspaces.collect(),
            rings: rings.collect(),
            content,
        }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn nodes(&self) -> &[CNode] {
        &self.nodes
    }

    pub fn keyspaces(&self) -> &[CKeyspace] {
        &self.keyspaces
    }

    pub fn rings(&self) -> &[CRing] {
        &self.rings
    }

    pub fn nodes_up(&self) -> usize {
        self.content.nodes.iter().filter(|node| node.up).count()
    }
}

/// The token ring: what rings of keyspaces are made from, besides their replication.
#[derive(Default, PartialEq, Eq)]
struct Ground {
    tokens: Vec<(i64, u128)>,
    /// Host ids with their places, in the snapshot's order.
    places: Vec<(u128, Option<String>, Option<String>)>,
}

impl Ground {
    fn of(state: &ClusterState, nodes: &[&Arc<Node>]) -> Self {
        let ring = state.replica_locator().ring().iter();
        let place = |node: &&Arc<Node>| {
            let host_id = node.host_id.as_u128();
            (host_id, node.datacenter.clone(), node.rack.clone())
        };
        Ground {
            tokens: ring
                .map(|(token, node)| (token.value(), node.host_id.as_u128()))
                .collect(),
            places: nodes.iter().map(place).collect(),
        }
    }
}

/// The strategies that place replicas by token. A datacentre without replicas is left out: the driver would take its
/// nodes for primary replicas.
fn placed_by_token(strategy: &Strategy) -> Option<Strategy> {
    match strategy {
        Strategy::SimpleStrategy { .. } => Some(strategy.clone()),
        Strategy::NetworkTopologyStrategy {
            datacenter_repfactors,
        } => {
            let factors = datacenter_repfactors.iter();
            let kept = factors.filter(|(_, &factor)| factor > 0);
            Some(Strategy::NetworkTopologyStrategy {
                datacenter_repfactors: kept.map(|(name, &factor)| (name.clone(), factor)).collect(),
            })
        }
        // Every node has everything (LocalStrategy, EverywhereStrategy), or nobody knows (the driver's enum is open).
        _ => None,
    }
}

fn ring_of(state: &ClusterState, strategy: &Strategy, nodes: &[&Arc<Node>]) -> Ring {
    let places: HashMap<u128, u32> = nodes
        .iter()
        .zip(0..)
        .map(|(node, place)| (node.host_id.as_u128(), place))
        .collect();
    let locator = state.replica_locator();
    // No table: only tables with tablets have replicas of their own.
    let no_table = TableSpec::borrowed("", "");
    let mut tokens = Vec::new();
    let mut rows = Vec::new();
    for (token, _) in locator.ring().iter() {
        tokens.push(token.value());
        let replicas = locator.replicas_for_token(*token, strategy, None, &no_table);
        let ordered = replicas.into_replicas_ordered().into_iter();
        let row: Vec<u32> = ordered
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

fn member(node: &Node, addresses: &Addresses) -> Member {
    let known = SocketAddr::new(node.address.ip(), node.address.port());
    let connect = addresses.translate(known);
    Member {
        address: text(&known.ip().to_string()),
        port: addresses.announced(known).port(),
        connect_address: text(&connect.ip().to_string()),
        connect_port: connect.port(),
        datacenter: text(node.datacenter.as_deref().unwrap_or_default()),
        rack: text(node.rack.as_deref().unwrap_or_default()),
        up: node.is_connected(),
        host_id: *node.host_id.as_bytes(),
    }
}

/// What a snapshot is made from.
#[derive(Default)]
struct Seen {
    state: Option<Arc<ClusterState>>,
    addresses: Addresses,
    keyspaces: BTreeSet<String>,
    /// In the snapshot's order.
    up: Vec<bool>,
}

impl Seen {
    fn is(
        &self,
        state: &Arc<ClusterState>,
        addresses: &Addresses,
        keyspaces: &BTreeSet<String>,
        up: &[bool],
    ) -> bool {
        let state = self.state.as_ref().map(|seen| Arc::ptr_eq(seen, state));
        state == Some(true)
            && self.addresses == *addresses
            && self.keyspaces == *keyspaces
            && self.up == up
    }
}

/// Makes snapshots, and of them only what changed.
#[derive(Default)]
pub struct Atlas {
    /// Of the last look.
    seen: Seen,
    ground: Ground,
    /// Of the ground, by replication.
    rings: Vec<(Strategy, Arc<Ring>)>,
    published: Arc<Snapshot>,
}

impl Atlas {
    /// None when nothing changed.
    pub fn update(
        &mut self,
        state: &Arc<ClusterState>,
        addresses: &Addresses,
        keyspaces: &BTreeSet<String>,
    ) -> Option<Arc<Snapshot>> {
        let mut nodes: Vec<&Arc<Node>> = state.get_nodes_info().iter().collect();
        // The driver's order changes from one look at the cluster to the next.
        nodes.sort_by_key(|node| node.host_id.as_u128());
        let up: Vec<bool> = nodes.iter().map(|node| node.is_connected()).collect();
        if self.seen.is(state, addresses, keyspaces, &up) {
            return None;
        }
        let ground = Ground::of(state, &nodes);
        if ground != self.ground {
            self.rings.clear();
            self.ground = ground;
        }
        let content = self.content(state, &nodes, addresses, keyspaces);
        self.seen = Seen {
            state: Some(Arc::clone(state)),
            addresses: addresses.clone(),
            keyspaces: keyspaces.clone(),
            up,
        };
        if self.published.version > 0 && content == self.published.content {
            return None;
        }
        self.published = Arc::new(Snapshot::new(self.published.version + 1, content));
        Some(Arc::clone(&self.published))
    }

    fn content(
        &mut self,
        state: &ClusterState,
        nodes: &[&Arc<Node>],
        addresses: &Addresses,
        keyspaces: &BTreeSet<String>,
    ) -> Content {
        let mut content = Content {
            nodes: nodes.iter().map(|node| member(node, addresses)).collect(),
            ..Content::default()
        };
        let mut used: Vec<(Strategy, Arc<Ring>)> = Vec::new();
        for name in keyspaces {
            let Some(keyspace) = state.get_keyspace(name) else {
                continue;
            };
            // The strategy says nothing about tables with tablets.
            let strategy = placed_by_token(&keyspace.strategy).filter(|_| !keyspace.tablet_based);
            let ring = strategy.map(|strategy| {
                let place = used.iter().position(|(of, _)| *of == strategy);
                place.unwrap_or_else(|| {
                    let known = self.rings.iter().find(|(of, _)| *of == strategy);
                    let ring = match known {
                        Some((_, ring)) => Arc::clone(ring),
                        None => Arc::new(ring_of(state, &strategy, nodes)),
                    };
                    used.push((strategy, ring));
                    used.len() - 1
                })
            });
            content.keyspaces.push(Keyspace {
                name: text(name),
                tablets: keyspace.tablet_based,
                ring,
            });
        }
        content.rings = used.iter().map(|(_, ring)| Arc::clone(ring)).collect();
        self.rings = used;
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(factors: &[(&str, usize)]) -> Strategy {
        let factors = factors
            .iter()
            .map(|&(name, factor)| (name.to_owned(), factor));
        Strategy::NetworkTopologyStrategy {
            datacenter_repfactors: factors.collect(),
        }
    }

    #[test]
    fn datacentres_without_replicas_do_not_count_for_the_replication() {
        let placed = placed_by_token(&network(&[("dc1", 3), ("dc2", 0)]));
        assert_eq!(placed, Some(network(&[("dc1", 3)])));
    }

    #[test]
    fn replication_that_does_not_follow_tokens_has_no_ring() {
        assert_eq!(placed_by_token(&Strategy::LocalStrategy), None);
        let everywhere = Strategy::Other {
            name: "EverywhereStrategy".to_owned(),
            data: HashMap::new(),
        };
        assert_eq!(placed_by_token(&everywhere), None);
    }

    #[test]
    fn a_snapshot_shows_c_what_it_holds() {
        let content = Content {
            nodes: vec![Member {
                address: text("10.0.0.1"),
                port: 9042,
                connect_address: text("127.0.0.1"),
                connect_port: 19142,
                datacenter: text("dc1"),
                rack: text("r1"),
                up: true,
                host_id: *b"0123456789abcdef",
            }],
            keyspaces: vec![Keyspace {
                name: text("ks"),
                tablets: true,
                ring: None,
            }],
            rings: vec![Arc::new(Ring {
                tokens: vec![-5, 7],
                replicas: vec![0, NO_REPLICA],
                replicas_max: 1,
            })],
        };
        let snapshot = Snapshot::new(3, content);
        let (node, ring) = (&snapshot.nodes()[0], &snapshot.rings()[0]);
        // SAFETY: the snapshot holds what they point to.
        unsafe {
            let connect = std::ffi::CStr::from_ptr(node.connect_address);
            assert_eq!((connect, node.connect_port), (c"127.0.0.1", 19142));
            assert_eq!(*ring.tokens.add(1), 7);
            assert_eq!(*ring.replicas.add(1), NO_REPLICA);
        }
        let keyspace = &snapshot.keyspaces()[0];
        assert_eq!((keyspace.tablets, keyspace.ring), (1, -1));
        assert_eq!((snapshot.version(), snapshot.nodes_up()), (3, 1));
    }
}
