//! A session as the interface sees it: its I/O threads.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::JoinHandle;
use std::time::Duration;

use scylla::statement::{Consistency, SerialConsistency, Statement};

use crate::channel::Channel;
use crate::config::Config;
use crate::failure::{Failure, Status};
use crate::io_thread;
use crate::remote::{Command, Prepared, Remote};
use crate::statement::Description;

/// On top of a command's own timeout, which the I/O thread keeps: only a thread that died is slower.
const GRACE: Duration = Duration::from_secs(5);

struct IoThread {
    remote: Arc<Remote>,
    thread: JoinHandle<()>,
}

pub struct Session {
    threads: Vec<IoThread>,
    statements: AtomicU32,
    channels: AtomicUsize,
}

pub struct StatementOptions {
    pub text: String,
    pub consistency: Option<Consistency>,
    pub serial_consistency: Option<SerialConsistency>,
    pub idempotent: bool,
    pub page_size: i32,
    pub timeout: Duration,
    /// The answers have columns of their own, which C++ has to see.
    pub conditional: bool,
    pub trace: bool,
}

fn internal(what: &str) -> Failure {
    Failure::new(Status::Internal, what)
}

fn answer<T>(
    replies: &mpsc::Receiver<Result<T, Failure>>,
    timeout: Duration,
) -> Result<T, Failure> {
    replies
        .recv_timeout(timeout + GRACE)
        .unwrap_or_else(|_| Err(internal("an I/O thread of the database driver has ended")))
}

impl Session {
    pub fn open(config: &Config, io_threads: usize) -> Result<Self, Failure> {
        let (connected, replies) = mpsc::channel();
        let mut session = Session {
            threads: Vec::with_capacity(io_threads),
            statements: AtomicU32::new(0),
            channels: AtomicUsize::new(0),
        };
        for number in 0..io_threads {
            let remote = Arc::new(Remote::new().map_err(|error| internal(&error.to_string()))?);
            let theirs = (config.clone(), Arc::clone(&remote), connected.clone());
            let thread = std::thread::Builder::new()
                .name(format!("cql-io-{number}"))
                .spawn(move || io_thread::main(theirs.0, theirs.1, theirs.2))
                .map_err(|error| internal(&error.to_string()))?;
            session.threads.push(IoThread { remote, thread });
        }
        drop(connected);
        for _ in 0..io_threads {
            // On failure the drop of the session ends the threads that are connected.
            answer(&replies, config.connect_timeout)?;
        }
        Ok(session)
    }

    pub fn execute(&self, text: &str, timeout: Duration) -> Result<(), Failure> {
        let (reply, replies) = mpsc::channel();
        self.threads[0]
            .remote
            .send(Command::Execute(text.to_owned(), timeout, reply));
        answer(&replies, timeout)
    }

    pub fn prepare(&self, options: &StatementOptions) -> Result<(u32, Description), Failure> {
        let mut statement = Statement::new(options.text.as_str());
        statement.set_page_size(options.page_size);
        // A condition that was true once may be false the next time.
        statement.set_is_idempotent(options.idempotent && !options.conditional);
        statement.set_tracing(options.trace);
        statement.set_serial_consistency(options.serial_consistency);
        if let Some(consistency) = options.consistency {
            statement.set_consistency(consistency);
        }
        let id = self.statements.fetch_add(1, Ordering::Relaxed);
        let (reply, replies) = mpsc::channel::<Prepared>();
        for thread in &self.threads {
            thread.remote.send(Command::Prepare(
                id,
                Box::new(statement.clone()),
                options.conditional,
                options.timeout,
                reply.clone(),
            ));
        }
        drop(reply);
        let mut description = None;
        for _ in &self.threads {
            description = Some(answer(&replies, options.timeout)?);
        }
        description
            .map(|description| (id, description))
            .ok_or_else(|| internal("a session without I/O threads"))
    }

    pub fn forget(&self, id: u32) {
        for thread in &self.threads {
            thread.remote.send(Command::Forget(id));
        }
    }

    pub fn open_channel(&self, in_flight_max: usize) -> Result<Arc<Channel>, Failure> {
        let number = self.channels.fetch_add(1, Ordering::Relaxed);
        let remote = &self.threads[number % self.threads.len()].remote;
        let channel = Channel::new(Arc::clone(remote), in_flight_max)
            .map_err(|error| internal(&error.to_string()))?;
        let channel = Arc::new(channel);
        remote.send(Command::Open(Arc::clone(&channel)));
        Ok(channel)
    }

    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        self.threads.iter().map(|thread| thread.remote.as_ref())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.remote.send(Command::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.thread.join();
        }
    }
}
