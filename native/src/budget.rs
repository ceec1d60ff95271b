//! How many requests may be in flight to each node.
//!
//! A node's limit shrinks when the node says that it is overloaded, or when requests to it time out, and grows with
//! every success; it never shrinks because answers are slow, and it begins at its largest. Besides that no node may
//! hold more than its share of the window, so that a slow one does not hold up requests to the others. A request
//! whose replicas are all at their limit waits for the first of them; beyond the share it is refused at once.
//!
//! The policy that chooses a node for the driver lives as long as the session, on the I/O thread. What it needs to know
//! of the request that is being polled is kept per thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use scylla::cluster::{ClusterState, NodeRef};
use scylla::policies::load_balancing::{FallbackPlan, LoadBalancingPolicy, RoutingInfo};
use scylla::routing::Shard;

use crate::failure::{Failure, Status};

/// What a limit keeps after a node was overloaded, and never less than the smallest limit.
const SHRINK: f64 = 0.7;
const LIMIT_MIN: f64 = 8.0;
/// Successes of one whole limit raise it by this part of the largest.
const GROWTH: f64 = 1.0 / 64.0;
/// Of the window, where there are several nodes: twice the fair share, and at most this.
const SHARE_MAX: f64 = 0.75;

#[derive(Default)]
struct HostHasher(u64);

impl Hasher for HostHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, host: u128) {
        self.0 = (host >> 64) as u64 ^ host as u64;
    }
}

type ByHost = HashMap<u128, usize, BuildHasherDefault<HostHasher>>;

struct Node {
    host: u128,
    name: String,
    in_flight: u32,
    /// None: as much as its share.
    limit: Option<f64>,
    /// Requests that were started so far, and how many of them before the last shrinking: those say nothing new.
    started: u64,
    shrunk_at: u64,
    waiting: VecDeque<u32>,
    member: bool,
}

/// What a slot's request holds.
#[derive(Default)]
struct Holding {
    /// Nodes, and which of their requests this is.
    taken: Vec<(usize, u64)>,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    /// Stands in a node's queue.
    Waiting(usize),
    /// Has got its place at the node, which the next plan begins with.
    Called(usize),
    Refused(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Success,
    Overload,
    Neutral,
}

impl Effect {
    pub fn of(status: Status) -> Self {
        match status {
            Status::Ok => Effect::Success,
            Status::Overloaded | Status::ServerTimeout | Status::ClientTimeout => Effect::Overload,
            Status::Unavailable
            | Status::Unauthorized
            | Status::Invalid
            | Status::Protocol
            | Status::Tls
            | Status::Config
            | Status::Cancelled
            | Status::Internal
            | Status::SchemaChanged => Effect::Neutral,
        }
    }
}

#[derive(Default)]
struct Budgets {
    window: usize,
    by_host: ByHost,
    nodes: Vec<Node>,
    members: usize,
    holdings: Vec<Holding>,
    refused: u64,
    shrunk: u64,
    speculative: u64,
}

impl Budgets {
    fn share(&self) -> f64 {
        let window = self.window.max(1) as f64;
        match self.members {
            0 | 1 => window,
            nodes => (window * (2.0 / nodes as f64).min(SHARE_MAX)).max(LIMIT_MIN),
        }
    }

    fn limit(&self, node: usize) -> f64 {
        let share = self.share();
        self.nodes[node]
            .limit
            .map_or(share, |limit| limit.min(share))
    }

    fn node(&mut self, of: NodeRef<'_>) -> usize {
        let host = of.host_id.as_u128();
        if let Some(&known) = self.by_host.get(&host) {
            return known;
        }
        self.by_host.insert(host, self.nodes.len());
        self.nodes.push(Node {
            host,
            name: of.address.to_string(),
            in_flight: 0,
            limit: None,
            started: 0,
            shrunk_at: 0,
            waiting: VecDeque::new(),
            member: true,
        });
        self.members += 1;
        self.nodes.len() - 1
    }

    fn holding(&mut self, slot: u32) -> &mut Holding {
        let slot = slot as usize;
        if self.holdings.len() <= slot {
            self.holdings.resize_with(slot + 1, Holding::default);
        }
        &mut self.holdings[slot]
    }

    fn take(&mut self, slot: u32, node: usize) {
        let at = &mut self.nodes[node];
        at.in_flight += 1;
        at.started += 1;
        let which = at.started;
        self.holding(slot).taken.push((node, which));
    }

    fn has_room(&self, node: usize) -> bool {
        let at = &self.nodes[node];
        at.waiting.is_empty() && f64::from(at.in_flight) < self.limit(node)
    }

    fn try_take(&mut self, slot: u32, node: usize) -> bool {
        let room = self.has_room(node);
        if room {
            self.take(slot, node);
        }
        room
    }

    /// All nodes that the request could go to are full: it waits for this one, or is refused.
    fn block(&mut self, slot: u32, node: usize) {
        let at = &self.nodes[node];
        let held = f64::from(at.in_flight) + at.waiting.len() as f64;
        if held >= self.share() {
            self.refused += 1;
            self.holding(slot).state = State::Refused(node);
        } else {
            self.nodes[node].waiting.push_back(slot);
            self.holding(slot).state = State::Waiting(node);
        }
    }

    /// Calls those that may go now.
    fn call(&mut self, node: usize, wake: &mut impl FnMut(u32)) {
        while f64::from(self.nodes[node].in_flight) < self.limit(node) {
            let Some(slot) = self.nodes[node].waiting.pop_front() else {
                break;
            };
            self.take(slot, node);
            self.holding(slot).state = State::Called(node);
            wake(slot);
        }
    }

    fn adapt(&mut self, node: usize, which: u64, effect: Effect) {
        let share = self.share();
        let limit = self.limit(node);
        let at = &mut self.nodes[node];
        match effect {
            Effect::Overload if which > at.shrunk_at => {
                // What is not in flight cannot be what was too much.
                let base = limit.min(f64::from(at.in_flight));
                at.limit = Some((base * SHRINK).max(LIMIT_MIN));
                at.shrunk_at = at.started;
                self.shrunk += 1;
            }
            Effect::Success if at.limit.is_some() => {
                let grown = limit + (share * GROWTH).max(1.0) / limit;
                at.limit = (grown < share).then_some(grown);
            }
            Effect::Success | Effect::Overload | Effect::Neutral => {}
        }
    }

    fn release(&mut self, slot: u32, effect: Effect, wake: &mut impl FnMut(u32)) {
        let Some(holding) = self.holdings.get_mut(slot as usize) else {
            return;
        };
        if let State::Waiting(node) = std::mem::take(&mut holding.state) {
            self.nodes[node].waiting.retain(|waiting| *waiting != slot);
        }
        let mut taken = std::mem::take(&mut self.holdings[slot as usize].taken);
        // Nothing is retried, so that a second node was used besides the first.
        self.speculative += taken.len().saturating_sub(1) as u64;
        for (node, which) in taken.drain(..) {
            self.adapt(node, which, effect);
            self.nodes[node].in_flight -= 1;
            self.call(node, wake);
        }
        self.holdings[slot as usize].taken = taken; // keeps its memory
    }

    /// Nodes that have left the cluster no longer count, so that the others' shares grow. They keep their places:
    /// requests in flight know them by those.
    fn count_members(&mut self, is_member: impl Fn(u128) -> bool) {
        for node in &mut self.nodes {
            node.member = is_member(node.host);
        }
        self.members = self.nodes.iter().filter(|node| node.member).count();
    }
}

thread_local! {
    static BUDGETS: RefCell<Budgets> = RefCell::default();
    static CURRENT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// While it lives, calls of the driver concern this slot's request.
pub struct Current(Option<u32>);

impl Current {
    pub fn enter(slot: u32) -> Self {
        Current(CURRENT.replace(Some(slot)))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// What became of a plan.
pub enum Admission {
    Sent,
    Waits,
    Refused(Failure),
}

pub fn admission(slot: u32) -> Admission {
    BUDGETS.with_borrow_mut(|budgets| match budgets.holding(slot).state {
        State::Free | State::Called(_) => Admission::Sent,
        State::Waiting(_) => Admission::Waits,
        State::Refused(node) => {
            budgets.holding(slot).state = State::Free;
            Admission::Refused(Failure::new(
                Status::Overloaded,
                format!(
                    "node {} has reached its share of the requests in flight ({:.0}); other nodes are not affected",
                    budgets.nodes[node].name,
                    budgets.share()
                ),
            ))
        }
    })
}

/// Whether a waiting request may be tried again.
pub fn is_called(slot: u32) -> bool {
    BUDGETS.with_borrow_mut(|budgets| !matches!(budgets.holding(slot).state, State::Waiting(_)))
}

/// At the end of a request. `wake` is called for slots that may go now.
pub fn release(slot: u32, effect: Effect, mut wake: impl FnMut(u32)) {
    let mut called = Vec::new();
    BUDGETS.with_borrow_mut(|budgets| {
        budgets.release(slot, effect, &mut |slot| called.push(slot));
    });
    called.into_iter().for_each(&mut wake);
}

/// Requests that may be in flight altogether.
pub fn change_window(by: isize) {
    BUDGETS.with_borrow_mut(|budgets| {
        budgets.window = budgets.window.saturating_add_signed(by);
    });
}

pub fn count_members(cluster: &ClusterState) {
    let hosts: Vec<u128> = cluster
        .get_nodes_info()
        .iter()
        .map(|node| node.host_id.as_u128())
        .collect();
    BUDGETS.with_borrow_mut(|budgets| budgets.count_members(|host| hosts.contains(&host)));
}

pub struct Statistics {
    pub refused: u64,
    pub shrunk: u64,
    pub waiting: u64,
    pub limit_min: u64,
    pub speculative: u64,
}

pub fn statistics() -> Statistics {
    BUDGETS.with_borrow(|budgets| Statistics {
        refused: budgets.refused,
        shrunk: budgets.shrunk,
        waiting: budgets
            .nodes
            .iter()
            .map(|node| node.waiting.len() as u64)
            .sum(),
        limit_min: (0..budgets.nodes.len())
            .map(|node| budgets.limit(node) as u64)
            .min()
            .unwrap_or(budgets.window as u64),
        speculative: budgets.speculative,
    })
}

/// The driver's own policy within the budgets.
#[derive(Debug)]
pub struct Budgeted(pub Arc<dyn LoadBalancingPolicy>);

type Target<'a> = (NodeRef<'a>, Option<Shard>);

impl Budgeted {
    /// The place that a waiting request was called to.
    fn called<'a>(
        &'a self,
        host: u128,
        first: Option<Target<'a>>,
        request: &'a RoutingInfo,
        cluster: &'a ClusterState,
    ) -> Option<Target<'a>> {
        let is = |target: &Target<'a>| target.0.host_id.as_u128() == host;
        first
            .filter(is)
            .or_else(|| self.0.fallback(request, cluster).find(is))
    }

    /// Another replica with room. Nodes that are no replicas would only pass the request on.
    fn elsewhere<'a>(
        &'a self,
        slot: u32,
        first: Option<Target<'a>>,
        request: &'a RoutingInfo,
        cluster: &'a ClusterState,
    ) -> Option<Target<'a>> {
        let replicas: Vec<u128> = match (request.token, request.table) {
            (Some(token), Some(table)) => cluster
                .get_token_endpoints(table.ks_name(), table.table_name(), token)
                .iter()
                .map(|(node, _)| node.host_id.as_u128())
                .collect(),
            _ => Vec::new(),
        };
        let mut blocked_on = first;
        for target in self.0.fallback(request, cluster) {
            let host = target.0.host_id.as_u128();
            if !replicas.is_empty() && !replicas.contains(&host) {
                continue;
            }
            blocked_on = blocked_on.or(Some(target));
            let taken = BUDGETS.with_borrow_mut(|budgets| {
                let node = budgets.node(target.0);
                budgets.try_take(slot, node)
            });
            if taken {
                return Some(target);
            }
        }
        if let Some((node, _)) = blocked_on {
            BUDGETS.with_borrow_mut(|budgets| {
                let node = budgets.node(node);
                budgets.block(slot, node);
            });
        }
        None
    }
}

impl LoadBalancingPolicy for Budgeted {
    fn pick<'a>(
        &'a self,
        request: &'a RoutingInfo,
        cluster: &'a ClusterState,
    ) -> Option<Target<'a>> {
        let first = self.0.pick(request, cluster);
        let Some(slot) = CURRENT.get() else {
            return first;
        };
        let called = BUDGETS.with_borrow_mut(|budgets| match budgets.holding(slot).state {
            State::Called(node) => {
                budgets.holding(slot).state = State::Free;
                Some(budgets.nodes[node].host)
            }
            State::Free | State::Waiting(_) | State::Refused(_) => None,
        });
        if let Some(target) = called.and_then(|host| self.called(host, first, request, cluster)) {
            return Some(target);
        }
        let taken = first.is_some_and(|(node, _)| {
            BUDGETS.with_borrow_mut(|budgets| {
                let node = budgets.node(node);
                budgets.try_take(slot, node)
            })
        });
        if taken {
            return first;
        }
        self.elsewhere(slot, first, request, cluster)
    }

    fn fallback<'a>(
        &'a self,
        request: &'a RoutingInfo,
        cluster: &'a ClusterState,
    ) -> FallbackPlan<'a> {
        let all = self.0.fallback(request, cluster);
        let Some(slot) = CURRENT.get() else {
            return all;
        };
        // Speculative executions, and what is left when a node has no connection.
        Box::new(all.filter(move |(node, _)| {
            BUDGETS.with_borrow_mut(|budgets| {
                if budgets.holding(slot).state != State::Free {
                    return false;
                }
                let node = budgets.node(node);
                let already = budgets
                    .holding(slot)
                    .taken
                    .iter()
                    .any(|(known, _)| *known == node);
                already || budgets.try_take(slot, node)
            })
        }))
    }

    fn name(&self) -> String {
        format!("budgeted {}", self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(window: usize, nodes: usize) -> Budgets {
        let mut out = Budgets {
            window,
            ..Budgets::default()
        };
        for host in 0..nodes {
            out.by_host.insert(host as u128, host);
            out.nodes.push(Node {
                host: host as u128,
                name: format!("node {host}"),
                in_flight: 0,
                limit: None,
                started: 0,
                shrunk_at: 0,
                waiting: VecDeque::new(),
                member: true,
            });
            out.members += 1;
        }
        out
    }

    #[test]
    fn a_single_node_may_fill_the_window_and_one_of_several_may_not() {
        for (nodes, share) in [(1, 1000.0), (2, 750.0), (4, 500.0), (10, 200.0)] {
            let mut all = budgets(1000, nodes);
            assert_eq!(all.share(), share);
            for slot in 0..share as u32 {
                assert!(all.try_take(slot, 0));
            }
            assert!(!all.try_take(9999, 0));
            all.block(9999, 0);
            assert!(all.holding(9999).state == State::Refused(0));
            if nodes > 1 {
                assert!(all.try_take(10_000, 1), "the others continue");
            }
        }
    }

    #[test]
    fn overload_shrinks_once_a_round_and_successes_grow_back() {
        let mut all = budgets(100, 1);
        for slot in 0..100 {
            assert!(all.try_take(slot, 0));
        }
        for slot in 0..50 {
            all.release(slot, Effect::Overload, &mut |_| {});
        }
        assert_eq!(all.limit(0), 70.0, "one round of refusals is one shrinking");
        for slot in 50..100 {
            all.release(slot, Effect::Success, &mut |_| {});
        }
        let grown = all.limit(0);
        assert!(grown > 70.0 && grown < 75.0, "{grown}");
        for _ in 0..10_000 {
            assert!(all.try_take(1, 0));
            all.release(1, Effect::Success, &mut |_| {});
        }
        assert_eq!(all.limit(0), 100.0);
        assert_eq!(all.shrunk, 1);
    }

    #[test]
    fn other_failures_change_nothing_and_the_limit_has_a_floor() {
        let mut all = budgets(100, 1);
        for _ in 0..100 {
            assert!(all.try_take(1, 0));
            all.release(1, Effect::Neutral, &mut |_| {});
        }
        assert_eq!(all.limit(0), 100.0);
        for _ in 0..100 {
            assert!(all.try_take(1, 0));
            all.release(1, Effect::Overload, &mut |_| {});
        }
        assert_eq!(all.limit(0), LIMIT_MIN);
    }

    #[test]
    fn waiters_are_served_in_order() {
        let mut all = budgets(100, 1);
        all.nodes[0].limit = Some(LIMIT_MIN);
        for slot in 0..8 {
            assert!(all.try_take(slot, 0));
        }
        for slot in 8..11 {
            assert!(!all.try_take(slot, 0));
            all.block(slot, 0);
        }
        let mut woken = Vec::new();
        all.release(9, Effect::Neutral, &mut |slot| woken.push(slot)); // gave up waiting
        assert!(woken.is_empty());
        all.release(0, Effect::Neutral, &mut |slot| woken.push(slot));
        assert_eq!(woken, [8]);
        assert!(all.holding(8).state == State::Called(0));
        assert!(!all.try_take(20, 0), "another one waits longer");
        all.release(1, Effect::Neutral, &mut |slot| woken.push(slot));
        assert_eq!(woken, [8, 10]);
        for slot in [2, 3, 4, 5, 6, 7, 8, 10] {
            all.release(slot, Effect::Neutral, &mut |_| {});
        }
        assert_eq!(all.nodes[0].in_flight, 0);
    }
}
