//! The control thread: runs the driver, obeys commands, and publishes the topology when it changes.

use std::collections::BTreeSet;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::Config;
use crate::connect::{connect, Connected};
use crate::failure::{within, Failure, Status};
use crate::preparing;
use crate::shared::{count, Shared};
use crate::statement::Description;
use crate::topology::Atlas;
use crate::watch::{check, watch};

/// How often the driver's view of the cluster is looked at; it has no way to say that it changed.
pub const LOOK: Duration = Duration::from_millis(200);

/// What callers ask of the control thread. Every reply is answered once.
pub enum Command {
    Renew(Box<Config>, Reply<()>),
    Execute(String, Duration, Reply<()>),
    Prepare(String, Duration, Reply<Description>),
}

/// The way back to a caller. It answers also when the work panics or is dropped.
pub struct Reply<T> {
    to: Option<mpsc::Sender<Result<T, Failure>>>,
    shared: Arc<Shared>,
}

impl<T> Reply<T> {
    pub fn new(to: mpsc::Sender<Result<T, Failure>>, shared: Arc<Shared>) -> Self {
        Reply {
            to: Some(to),
            shared,
        }
    }

    pub fn send(mut self, answer: Result<T, Failure>) {
        self.answer(answer);
    }

    fn answer(&mut self, answer: Result<T, Failure>) {
        if let Some(to) = self.to.take() {
            // The caller may have given up.
            let _ = to.send(answer);
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if self.to.is_none() {
            return;
        }
        if std::thread::panicking() {
            count(&self.shared.counters.panics);
            let what = "the database driver panicked; please report it";
            self.answer(Err(Failure::new(Status::Internal, what)));
        } else {
            self.answer(Err(Failure::cancelled()));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub struct Control {
    pub shared: Arc<Shared>,
    connected: Mutex<Arc<Connected>>,
    atlas: Mutex<Atlas>,
    /// Of the configuration and of prepared statements.
    keyspaces: Mutex<BTreeSet<String>>,
    /// Held during a renewal.
    renewing: tokio::sync::Mutex<()>,
}

impl Control {
    fn new(shared: Arc<Shared>, connected: Connected) -> Self {
        let keyspaces = connected.config.keyspace_name().into_iter().collect();
        Control {
            shared,
            connected: Mutex::new(Arc::new(connected)),
            atlas: Mutex::default(),
            keyspaces: Mutex::new(keyspaces),
            renewing: tokio::sync::Mutex::new(()),
        }
    }

    pub fn connected(&self) -> Arc<Connected> {
        Arc::clone(&locked(&self.connected))
    }

    /// Publishes what the driver knows now, if that is something else than before.
    pub fn look(&self) {
        let connected = self.connected();
        let state = connected.session.get_cluster_state();
        let keyspaces = locked(&self.keyspaces);
        let update = locked(&self.atlas).update(&state, &connected.addresses, &keyspaces);
        if let Some(snapshot) = update {
            self.shared.publish(snapshot);
        }
    }

    pub fn remember_keyspace(&self, name: &str) {
        let mut keyspaces = locked(&self.keyspaces);
        if !keyspaces.contains(name) {
            keyspaces.insert(name.to_owned());
        }
    }

    async fn renew(&self, mut config: Config) -> Result<(), Failure> {
        let whole = config.connect_timeout;
        let until = Instant::now() + whole;
        let alone = async { Ok(self.renewing.lock().await) };
        let _alone = within(whole, alone).await?;
        config.connect_timeout = until.saturating_duration_since(Instant::now());
        let mut connected = connect(config).await?;
        connected.config.connect_timeout = whole;
        self.use_from_now(connected);
        Ok(())
    }

    /// Another session with the same configuration; only one that has read the cluster's metadata.
    pub async fn replace(&self) -> Result<(), Failure> {
        let _alone = self.renewing.lock().await;
        let connected = connect(self.connected().config.clone()).await?;
        check(&connected).await?;
        self.use_from_now(connected);
        Ok(())
    }

    fn use_from_now(&self, connected: Connected) {
        if let Some(name) = connected.config.keyspace_name() {
            self.remember_keyspace(&name);
        }
        let before = std::mem::replace(&mut *locked(&self.connected), Arc::new(connected));
        self.look();
        // Ends when the commands that still use it have ended.
        drop(before);
    }

    async fn execute(&self, text: String) -> Result<(), Failure> {
        let connected = self.connected();
        // The driver waits until the nodes agree on the schema, and reads it again.
        let executed = connected.session.query_unpaged(text, ()).await;
        executed.map_err(|error| Failure::from(&error))?;
        self.look();
        Ok(())
    }
}

fn obey(control: &Arc<Control>, command: Command, tasks: &mut JoinSet<()>) {
    let control = Arc::clone(control);
    match command {
        Command::Renew(config, reply) => tasks.spawn(async move {
            reply.send(control.renew(*config).await);
        }),
        Command::Execute(text, timeout, reply) => tasks.spawn(async move {
            reply.send(within(timeout, control.execute(text)).await);
        }),
        Command::Prepare(text, timeout, reply) => tasks.spawn(async move {
            reply.send(within(timeout, preparing::prepare(&control, text)).await);
        }),
    };
}

/// Returns when the session is closed.
async fn serve(control: &Arc<Control>, mut commands: UnboundedReceiver<Command>) {
    let mut tasks = JoinSet::new();
    let mut watching = tasks.spawn(watch(Arc::clone(control)));
    let mut look_at = Instant::now() + LOOK;
    loop {
        match tokio::time::timeout_at(look_at, commands.recv()).await {
            Ok(Some(command)) => obey(control, command, &mut tasks),
            Ok(None) => break,
            Err(_) => {
                // What has ended is forgotten; a panic has been answered and counted by its reply.
                while tasks.try_join_next().is_some() {}
                if watching.is_finished() {
                    // It ends with a panic only.
                    count(&control.shared.counters.panics);
                    watching = tasks.spawn(watch(Arc::clone(control)));
                }
                if catch_unwind(AssertUnwindSafe(|| control.look())).is_err() {
                    count(&control.shared.counters.panics);
                }
                look_at = Instant::now() + LOOK;
            }
        }
    }
    tasks.shutdown().await;
}

async fn live(
    config: Config,
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    connected: Reply<()>,
) {
    let control = match connect(config).await {
        Ok(session) => Arc::new(Control::new(shared, session)),
        Err(failure) => return connected.send(Err(failure)),
    };
    control.look();
    connected.send(Ok(()));
    serve(&control, commands).await;
}

/// The body of the thread.
pub fn main(
    config: Config,
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    connected: Reply<()>,
) {
    // Signals are the main thread's.
    // SAFETY: plain calls on a local set.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(live(config, shared, commands, connected));
            // A resolver may still be waiting for a name.
            runtime.shutdown_background();
        }
        Err(error) => connected.send(Err(Failure::new(Status::Internal, error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn reply() -> (
        Reply<u32>,
        mpsc::Receiver<Result<u32, Failure>>,
        Arc<Shared>,
    ) {
        let (sender, answers) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        (Reply::new(sender, Arc::clone(&shared)), answers, shared)
    }

    #[test]
    fn a_panic_is_answered_and_counted() {
        let (reply, answers, shared) = reply();
        let work = catch_unwind(AssertUnwindSafe(move || {
            let _reply = reply;
            std::panic::resume_unwind(Box::new("a defect"));
        }));
        assert!(work.is_err());
        assert_eq!(
            answers.recv().unwrap().unwrap_err().status,
            Status::Internal
        );
        assert_eq!(shared.counters.panics.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_command_that_is_dropped_is_answered_as_cancelled() {
        let (reply, answers, shared) = reply();
        drop(reply);
        let failure = answers.recv().unwrap().unwrap_err();
        assert_eq!(failure.status, Status::Cancelled);
        assert_eq!(shared.counters.panics.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_answer_is_given_once() {
        let (reply, answers, _) = reply();
        reply.send(Ok(7));
        assert_eq!(answers.recv().unwrap().unwrap(), 7);
        assert!(answers.recv().is_err());
    }
}
