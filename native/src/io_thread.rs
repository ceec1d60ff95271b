//! An I/O thread: the driver's event loop, its connections, and the slots that run requests.
//!
//! A request is run by a slot, a task that lives as long as the thread; there is no task, channel or wake per
//! request. The intake moves requests from the rings to idle slots; the flusher wakes workers once per burst of
//! completions; the ticker fires deadlines. All of them run on this one thread.

mod statements;

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, Future};
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{mpsc, Arc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::response::PagingState;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::budget::{self, Admission, Current, Effect};
use crate::channel::{BatchPart, Channel, Completion, EventFd, Request};
use crate::config::{self, Config};
use crate::failure::{within, Failure, Status};
use crate::known::{completion_of, is_renaming, Known};
use crate::local::OnThisThread;
use crate::remote::{count, Command, Remote};
use crate::routes::Atlas;
use crate::statement::Cells;
use crate::wheel::Wheel;

/// The resolution of deadlines.
const TICK: Duration = Duration::from_millis(10);
/// Requests taken from one channel before the next one gets its turn.
const INTAKE_BATCH: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Run,
    TimedOut,
    Cancelled,
}

struct Job {
    request: Request,
    channel: Arc<Channel>,
}

struct Slot {
    job: RefCell<Option<Job>>,
    verdict: Cell<Verdict>,
    /// Of the task; the same for its whole life.
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn remember_waker(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
    }
}

struct Io {
    remote: Arc<Remote>,
    session: Session,
    statements: RefCell<Vec<Option<Rc<Known>>>>,
    atlas: RefCell<Atlas>,
    channels: RefCell<Vec<Arc<Channel>>>,
    slots: RefCell<Vec<Rc<Slot>>>,
    /// Slots whose task waits for a job.
    idle: RefCell<Vec<u32>>,
    /// Slots whose task ended with a panic.
    broken: RefCell<Vec<u32>>,
    busy: Cell<usize>,
    wheel: RefCell<Wheel>,
    epoch: Instant,
    /// The ticker waits here while no deadline is set.
    deadlines: Notify,
    /// Held while a statement is prepared again because its id changed.
    renewing: tokio::sync::Mutex<()>,
    unflushed: Cell<bool>,
    flush: Notify,
    tasks: RefCell<JoinSet<()>>,
}

/// A request that a slot is running: completes it exactly once, also when the task unwinds or is dropped.
struct Ticket {
    io: Rc<Io>,
    slot: u32,
    job: Option<Job>,
}

impl Ticket {
    fn complete(mut self, outcome: Result<Completion, Failure>) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Result<Completion, Failure>) {
        let Some(job) = self.job.take() else { return };
        self.io.wheel.borrow_mut().stop(self.slot);
        *self.io.slots.borrow()[self.slot as usize].job.borrow_mut() = None;
        self.io.busy.set(self.io.busy.get() - 1);
        let effect = match &outcome {
            Ok(_) => Effect::Success,
            Err(failure) => Effect::of(failure.status),
        };
        self.io.release(self.slot, effect);
        let completion =
            outcome.unwrap_or_else(|failure| Completion::failed(job.request.tag, failure));
        // SAFETY: this thread is the only one that pushes here.
        if unsafe { job.channel.completions.push(completion) }.is_err() {
            // The ring holds everything that may be in flight; a lost tag would hang its record for ever.
            eprintln!("millrace: invariant broken: a completion ring overflowed");
            std::process::abort();
        }
        if !self.io.unflushed.replace(true) {
            self.io.flush.notify_one();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.job.is_none() {
            return;
        }
        if std::thread::panicking() {
            count(&self.io.remote.counters.panics);
            self.io.broken.borrow_mut().push(self.slot);
            self.finish(Err(Failure::new(
                Status::Internal,
                "the database driver panicked; please report it",
            )));
        } else {
            self.finish(Err(Failure::cancelled()));
        }
    }
}

impl Io {
    fn now(&self) -> u64 {
        (self.epoch.elapsed().as_micros() / TICK.as_micros()) as u64
    }

    /// Gives back what the slot's request held, and calls those that waited for it.
    fn release(&self, slot: u32, effect: Effect) {
        budget::release(slot, effect, |called| {
            self.slots.borrow()[called as usize].wake();
        });
    }

    /// Runs until the request is answered; cancelled by dropping.
    async fn run(&self, slot: u32, request: &Request) -> Result<Completion, Failure> {
        let mut renewed = false;
        loop {
            let renamed = Cell::new(false);
            let outcome = self.attempt(request, &renamed).await;
            match budget::admission(slot) {
                Admission::Sent if renamed.get() && !renewed => {
                    renewed = true;
                    self.release(slot, Effect::Neutral);
                    self.renew(request).await;
                }
                Admission::Sent => return outcome,
                Admission::Refused(failure) => return Err(failure),
                Admission::Waits => {
                    // The slot is woken when it is its turn.
                    poll_fn(|_| match budget::is_called(slot) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    })
                    .await;
                }
            }
        }
    }

    /// `renamed`: the server knows a statement by another id now.
    async fn attempt(
        &self,
        request: &Request,
        renamed: &Cell<bool>,
    ) -> Result<Completion, Failure> {
        if self.remote.panic_next.load(Ordering::Relaxed)
            && self.remote.panic_next.swap(false, Ordering::Relaxed)
        {
            panic!("a test asked for it");
        }
        // SAFETY: valid until the tag is polled, which is after this future has ended.
        let (cells, paging_state, batch) =
            unsafe { (&*request.cells, &*request.paging_state, &*request.batch) };
        if !batch.is_empty() {
            return self.run_batch(request, batch, renamed).await;
        }
        let known = self.statement(request.statement)?;
        let stamped = request.timestamp_us.map(|timestamp| {
            let mut statement = PreparedStatement::clone(&known.prepared);
            statement.set_timestamp(Some(timestamp));
            statement
        });
        let statement = stamped.as_ref().unwrap_or(&known.prepared);
        let from = match paging_state {
            [] => PagingState::start(),
            state => PagingState::new_from_raw_bytes(state),
        };
        let (result, more) = self
            .session
            .execute_single_page(statement, Cells(cells), from)
            .await
            .map_err(|error| {
                if is_renaming(&error) {
                    renamed.set(true);
                    known.renamed.set(true);
                }
                Failure::from(&error)
            })?;
        let paging_state = match more.into_paging_control_flow() {
            ControlFlow::Break(()) => None,
            ControlFlow::Continue(state) => state.as_bytes_slice().map(Arc::clone),
        };
        completion_of(request.tag, result, paging_state, known.own_columns)
    }

    async fn run_batch(
        &self,
        request: &Request,
        parts: &[BatchPart],
        renamed: &Cell<bool>,
    ) -> Result<Completion, Failure> {
        let mut batch = Batch::new(BatchType::Unlogged);
        let mut cells = Vec::with_capacity(parts.len());
        let mut idempotent = true;
        for part in parts {
            let known = self.statement(part.statement)?;
            idempotent &= known.prepared.get_is_idempotent();
            if cells.is_empty() {
                if let Some(consistency) = known.prepared.get_consistency() {
                    batch.set_consistency(consistency);
                }
            }
            batch.append_statement(known.prepared.clone());
            // SAFETY: as in `run`.
            cells.push(Cells(unsafe { part.cells() }));
        }
        batch.set_is_idempotent(idempotent);
        batch.set_timestamp(request.timestamp_us);
        let result = self.session.batch(&batch, cells).await.map_err(|error| {
            if is_renaming(&error) {
                renamed.set(true);
                // The driver does not say which of them.
                for known in parts
                    .iter()
                    .filter_map(|part| self.statement(part.statement).ok())
                {
                    known.renamed.set(true);
                }
            }
            Failure::from(&error)
        })?;
        completion_of(request.tag, result, None, false)
    }

    fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().spawn(OnThisThread(task));
    }

    /// Gives the job to an idle slot, or to a new one: there are as many as were ever needed at once, at most the
    /// sum of the channels' limits.
    fn start(self: &Rc<Self>, job: Job, now: u64) {
        let ticks = u64::from(job.request.timeout_ms.max(1)).div_ceil(TICK.as_millis() as u64);
        let idle = self.idle.borrow_mut().pop();
        let index = idle.unwrap_or_else(|| self.new_slot());
        let slot = Rc::clone(&self.slots.borrow()[index as usize]);
        slot.verdict.set(Verdict::Run);
        *slot.job.borrow_mut() = Some(job);
        self.busy.set(self.busy.get() + 1);
        let first = {
            let mut wheel = self.wheel.borrow_mut();
            let first = wheel.is_empty();
            // One more: part of the present tick has passed already.
            wheel.start(index, now + ticks + 1);
            first
        };
        if first {
            self.deadlines.notify_one();
        }
        match idle {
            Some(_) => slot.wake(),
            None => self.spawn(serve(Rc::clone(self), slot, index)),
        }
    }

    fn new_slot(&self) -> u32 {
        let slot = Rc::new(Slot {
            job: RefCell::new(None),
            verdict: Cell::new(Verdict::Run),
            waker: RefCell::new(None),
        });
        let mut slots = self.slots.borrow_mut();
        match self.broken.borrow_mut().pop() {
            Some(index) => {
                slots[index as usize] = slot;
                index
            }
            None => {
                slots.push(slot);
                (slots.len() - 1) as u32
            }
        }
    }

    fn cancel(&self, of: impl Fn(&Arc<Channel>) -> bool) {
        for slot in self.slots.borrow().iter() {
            if slot
                .job
                .borrow()
                .as_ref()
                .is_some_and(|job| of(&job.channel))
            {
                slot.verdict.set(Verdict::Cancelled);
                slot.wake();
            }
        }
    }

    /// Returns how many requests were taken from the rings.
    fn take_in(self: &Rc<Self>) -> usize {
        let now = self.now();
        let mut taken = 0;
        for channel in self.channels.borrow().iter() {
            for _ in 0..INTAKE_BATCH {
                // SAFETY: this thread is the only one that pops here.
                let Some(request) = (unsafe { channel.submissions.pop() }) else {
                    break;
                };
                taken += 1;
                let channel = Arc::clone(channel);
                self.start(Job { request, channel }, now);
            }
        }
        let counters = &self.remote.counters;
        counters.requests.fetch_add(taken as u64, Ordering::Relaxed);
        counters
            .in_flight
            .store(self.busy.get() as u64, Ordering::Relaxed);
        taken
    }

    /// Returns false when the thread has to stop.
    fn obey(self: &Rc<Self>) -> bool {
        for command in self.remote.take_commands() {
            let io = Rc::clone(self);
            match command {
                Command::Open(channel) => {
                    budget::change_window(channel.in_flight_max() as isize);
                    self.channels.borrow_mut().push(channel);
                }
                Command::Close(channel) => self.spawn(async move {
                    io.close(&channel).await;
                }),
                Command::Prepare(id, statement, own_columns, timeout, reply) => {
                    self.spawn(async move {
                        let work = io.prepare(id, *statement, own_columns);
                        let _ = reply.send(within(timeout, work).await);
                    });
                }
                Command::Forget(id) => {
                    if let Some(place) = self.statements.borrow_mut().get_mut(id as usize) {
                        *place = None;
                    }
                }
                Command::Execute(text, timeout, reply) => self.spawn(async move {
                    let execution = async {
                        let executed = io.session.query_unpaged(text, ()).await;
                        executed.map(drop).map_err(|error| Failure::from(&error))
                    };
                    let _ = reply.send(within(timeout, execution).await);
                }),
                Command::Stop => return false,
            }
        }
        true
    }

    async fn close(&self, channel: &Arc<Channel>) {
        let mut channels = self.channels.borrow_mut();
        let before = channels.len();
        channels.retain(|known| !Arc::ptr_eq(known, channel));
        if channels.len() < before {
            budget::change_window(-(channel.in_flight_max() as isize));
        }
        drop(channels);
        self.cancel(|of| Arc::ptr_eq(of, channel));
        let runs = |slot: &Rc<Slot>| {
            let job = slot.job.borrow();
            job.as_ref()
                .is_some_and(|job| Arc::ptr_eq(&job.channel, channel))
        };
        while self.slots.borrow().iter().any(runs) {
            tokio::task::yield_now().await;
        }
        channel.let_go();
    }
}

/// A slot's life.
async fn serve(io: Rc<Io>, slot: Rc<Slot>, index: u32) {
    loop {
        // The job stays in the slot, where `cancel` finds it; the ticket holds its copy.
        let job = poll_fn(|context| {
            slot.remember_waker(context);
            match &*slot.job.borrow() {
                Some(job) => Poll::Ready(Job {
                    request: job.request,
                    channel: Arc::clone(&job.channel),
                }),
                None => Poll::Pending,
            }
        })
        .await;
        let request = job.request;
        let ticket = Ticket {
            io: Rc::clone(&io),
            slot: index,
            job: Some(job),
        };
        let outcome = {
            let mut work = pin!(io.run(index, &request));
            poll_fn(|context| match slot.verdict.get() {
                Verdict::Run => {
                    let _current = Current::enter(index);
                    work.as_mut().poll(context)
                }
                Verdict::TimedOut => {
                    count(&io.remote.counters.client_timeouts);
                    Poll::Ready(Err(Failure::new(
                        Status::ClientTimeout,
                        format!("no answer within {} ms", request.timeout_ms),
                    )))
                }
                Verdict::Cancelled => Poll::Ready(Err(Failure::cancelled())),
            })
            .await
            // The work is dropped here: nothing reads the request's buffers any more.
        };
        ticket.complete(outcome);
        io.idle.borrow_mut().push(index);
    }
}

/// Held by what is ours and not the driver's: without it every request would hang, so a panic there ends the
/// process.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Wakes the workers after a burst of completions.
async fn flush(io: Rc<Io>) {
    let _own = AbortOnPanic;
    loop {
        io.flush.notified().await;
        // The answers that came with the same read of a socket complete before this task runs again.
        tokio::task::yield_now().await;
        io.unflushed.set(false);
        for channel in io.channels.borrow().iter() {
            if channel.notify() {
                count(&io.remote.counters.wakes);
            }
        }
        let counters = &io.remote.counters;
        counters
            .in_flight
            .store(io.busy.get() as u64, Ordering::Relaxed);
        let budgets = budget::statistics();
        counters.refused.store(budgets.refused, Ordering::Relaxed);
        counters.shrunk.store(budgets.shrunk, Ordering::Relaxed);
        counters.waiting.store(budgets.waiting, Ordering::Relaxed);
        counters
            .limit_min
            .store(budgets.limit_min, Ordering::Relaxed);
        counters
            .speculative
            .store(budgets.speculative, Ordering::Relaxed);
    }
}

async fn tick(io: Rc<Io>) {
    let _own = AbortOnPanic;
    loop {
        if io.wheel.borrow().is_empty() {
            io.deadlines.notified().await;
            continue;
        }
        tokio::time::sleep(TICK).await;
        let slots = io.slots.borrow();
        io.wheel.borrow_mut().advance(io.now(), |index| {
            let slot = &slots[index as usize];
            if slot.verdict.get() == Verdict::Run {
                slot.verdict.set(Verdict::TimedOut);
            }
            slot.wake();
        });
    }
}

/// Returns when the thread has to stop.
async fn intake(io: &Rc<Io>, event: &AsyncFd<EventFd>) -> io::Result<()> {
    loop {
        if !io.obey() {
            return Ok(());
        }
        if io.take_in() > 0 {
            // Lets the slots write what they just took before looking for more.
            tokio::task::yield_now().await;
            continue;
        }
        let work = || {
            io.remote.has_commands()
                || io
                    .channels
                    .borrow()
                    .iter()
                    .any(|channel| !channel.submissions.is_empty())
        };
        if io.remote.asleep.fall_asleep(work) {
            // Edge-triggered: every write counts, so the descriptor need not be read.
            event.readable().await?.clear_ready();
            io.remote.asleep.awake();
        }
    }
}

/// Everything ends before the session is dropped, on its runtime.
async fn wind_down(io: Rc<Io>) {
    io.cancel(|_| true);
    while io.busy.get() > 0 {
        tokio::task::yield_now().await;
    }
    let mut tasks = std::mem::take(&mut *io.tasks.borrow_mut());
    tasks.shutdown().await;
}

async fn live(
    config: Config,
    remote: Arc<Remote>,
    connected: mpsc::Sender<Result<(), Failure>>,
) -> io::Result<()> {
    let session = match config::connect(&config).await {
        Ok(session) => session,
        Err(failure) => {
            let _ = connected.send(Err(failure));
            return Ok(());
        }
    };
    let event = remote.event.try_clone()?;
    // SAFETY: the descriptor is owned by what registers it, and its number does not change.
    let event = unsafe { AsyncFd::register_with_interest(event, Interest::READABLE) }?;
    let io = Rc::new(Io {
        remote,
        session,
        statements: RefCell::default(),
        atlas: RefCell::default(),
        channels: RefCell::default(),
        slots: RefCell::default(),
        idle: RefCell::default(),
        broken: RefCell::default(),
        busy: Cell::new(0),
        wheel: RefCell::new(Wheel::new()),
        epoch: Instant::now(),
        deadlines: Notify::new(),
        renewing: tokio::sync::Mutex::new(()),
        unflushed: Cell::new(false),
        flush: Notify::new(),
        tasks: RefCell::default(),
    });
    let _own = AbortOnPanic;
    io.spawn(flush(Rc::clone(&io)));
    io.spawn(tick(Rc::clone(&io)));
    io.spawn(statements::watch_schema(Rc::clone(&io)));
    let _ = connected.send(Ok(()));
    let ended = intake(&io, &event).await;
    let channels = io.channels.take();
    wind_down(io).await;
    for channel in channels {
        channel.let_go();
    }
    ended
}

/// The body of the thread.
pub fn main(config: Config, remote: Arc<Remote>, connected: mpsc::Sender<Result<(), Failure>>) {
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
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(live(config, Arc::clone(&remote), connected.clone()));
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(error),
    };
    remote.end();
    if let Err(error) = ended {
        let _ = connected.send(Err(Failure::new(Status::Internal, error.to_string())));
    }
}
