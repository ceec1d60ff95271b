//! A session as the interface sees it: a thread that takes commands.

use std::sync::{mpsc, Arc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

use crate::config::Config;
use crate::control::{self, Command, Reply};
use crate::failure::{Failure, Status};
use crate::shared::Shared;
use crate::statement::Description;

/// On top of a command's own timeout, which the control thread keeps: only a thread that died is slower.
const GRACE: Duration = Duration::from_secs(5);

pub struct Session {
    shared: Arc<Shared>,
    /// None while the session is dropped.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

fn answer<T>(
    answers: &mpsc::Receiver<Result<T, Failure>>,
    timeout: Duration,
) -> Result<T, Failure> {
    let answer = answers.recv_timeout(timeout + GRACE);
    answer.unwrap_or_else(|_| {
        let what = "the control thread of the database driver does not answer";
        Err(Failure::new(Status::Internal, what))
    })
}

impl Session {
    pub fn open(config: Config) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let (sender, commands) = unbounded_channel();
        let (reply, answers) = mpsc::channel();
        let timeout = config.connect_timeout;
        let connected = Reply::new(reply, Arc::clone(&shared));
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("cql-control".to_owned())
            .spawn(move || control::main(config, of_thread, commands, connected))
            .map_err(|error| Failure::new(Status::Internal, error.to_string()))?;
        // Dropped on failure, which ends the thread.
        let session = Session {
            shared,
            commands: Some(sender),
            thread: Some(thread),
        };
        answer(&answers, timeout)?;
        Ok(session)
    }

    /// Has the control thread do something, and waits for its answer.
    fn ask<T>(
        &self,
        timeout: Duration,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answers) = mpsc::channel();
        let command = command(Reply::new(reply, Arc::clone(&self.shared)));
        if let Some(commands) = &self.commands {
            // A thread that has ended drops the command, and with it the reply.
            drop(commands.send(command));
        }
        answer(&answers, timeout)
    }

    pub fn renew(&self, config: Config) -> Result<(), Failure> {
        let timeout = config.connect_timeout;
        self.ask(timeout, |reply| Command::Renew(Box::new(config), reply))
    }

    pub fn execute(&self, text: String, timeout: Duration) -> Result<(), Failure> {
        self.ask(timeout, |reply| Command::Execute(text, timeout, reply))
    }

    pub fn prepare(&self, text: String, timeout: Duration) -> Result<Description, Failure> {
        self.ask(timeout, |reply| Command::Prepare(text, timeout, reply))
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
