//! What callers and the control thread share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::topology::Snapshot;

#[derive(Default)]
pub struct Counters {
    pub panics: AtomicU64,
    pub prepared: AtomicU64,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Default)]
pub struct Shared {
    pub counters: Counters,
    topology: Mutex<Arc<Snapshot>>,
    /// Of the topology; 0 before the first one.
    version: AtomicU64,
}

impl Shared {
    fn place(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.topology
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let version = snapshot.version();
        let before = std::mem::replace(&mut *self.place(), snapshot);
        // Whoever sees the new version finds at least this topology.
        self.version.store(version, Ordering::Release);
        drop(before);
    }

    pub fn topology(&self) -> Arc<Snapshot> {
        Arc::clone(&self.place())
    }

    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
