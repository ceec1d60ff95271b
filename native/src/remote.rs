//! The part of an I/O thread that other threads hold: commands, the way to wake it, and its counters.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use scylla::statement::Statement;

use crate::channel::{Asleep, Channel, EventFd};
use crate::failure::Failure;
use crate::routes::{Routes, CLOSED};
use crate::statement::Description;

/// Requests of other threads to an I/O thread.
pub enum Command {
    Open(Arc<Channel>),
    Close(Arc<Channel>),
    /// The number is the statement's, the same on every I/O thread. The flag: its answers have columns of their own.
    Prepare(u32, Box<Statement>, bool, Duration, mpsc::Sender<Prepared>),
    Forget(u32),
    Execute(String, Duration, mpsc::Sender<Result<(), Failure>>),
    Stop,
}

pub type Prepared = Result<Description, Failure>;

#[derive(Default)]
pub struct Counters {
    pub requests: AtomicU64,
    pub client_timeouts: AtomicU64,
    pub wakes: AtomicU64,
    pub panics: AtomicU64,
    pub in_flight: AtomicU64,
    pub refused: AtomicU64,
    pub shrunk: AtomicU64,
    pub waiting: AtomicU64,
    pub limit_min: AtomicU64,
    pub speculative: AtomicU64,
    pub nodes: AtomicU64,
    pub nodes_connected: AtomicU64,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The part of an I/O thread that other threads hold.
pub struct Remote {
    /// None: the thread has ended.
    commands: Mutex<Option<Vec<Command>>>,
    pub asleep: Asleep,
    pub event: EventFd,
    pub counters: Counters,
    routes: Mutex<Arc<Routes>>,
    /// Of the routes; grows with every change.
    pub routes_version: AtomicU64,
    /// For tests.
    pub panic_next: AtomicBool,
}

impl Remote {
    pub fn new() -> io::Result<Self> {
        Ok(Remote {
            commands: Mutex::new(Some(Vec::new())),
            asleep: Asleep::new(),
            event: EventFd::new()?,
            counters: Counters::default(),
            routes: Mutex::default(),
            routes_version: AtomicU64::new(0),
            panic_next: AtomicBool::new(false),
        })
    }

    /// After requests were pushed.
    pub fn kick(&self) {
        if self.asleep.must_wake() {
            self.event.signal();
        }
    }

    pub fn send(&self, command: Command) {
        match &mut *self.commands() {
            Some(waiting) => waiting.push(command),
            None => return refuse(command),
        }
        self.event.signal();
    }

    fn commands(&self) -> std::sync::MutexGuard<'_, Option<Vec<Command>>> {
        self.commands
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn take_commands(&self) -> Vec<Command> {
        self.commands()
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub fn has_commands(&self) -> bool {
        self.commands()
            .as_ref()
            .is_some_and(|waiting| !waiting.is_empty())
    }

    pub fn publish(&self, routes: Arc<Routes>) {
        *self.routes() = routes;
        // Whoever sees the new version finds at least these routes.
        self.routes_version.fetch_add(1, Ordering::Release);
    }

    pub fn routes(&self) -> std::sync::MutexGuard<'_, Arc<Routes>> {
        self.routes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The thread's last act.
    pub fn end(&self) {
        self.routes_version.store(CLOSED, Ordering::Release);
        let left = self.commands().take();
        left.into_iter().flatten().for_each(refuse);
    }
}

/// The answer of a thread that has ended; a dropped sender notifies its receiver.
fn refuse(command: Command) {
    if let Command::Open(channel) = command {
        channel.let_go();
    }
}
