//! A worker's side of an I/O thread: two rings, and the two flags that spare both sides needless wakes.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{fence, AtomicBool, Ordering};
use std::sync::Arc;

use bytes::Bytes;

use crate::failure::{Failure, Status};
use crate::remote::Remote;
use crate::ring::Ring;
use crate::routes::Routes;
use crate::statement::Columns;

/// An event descriptor, non-blocking.
pub struct EventFd(OwnedFd);

impl EventFd {
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain system call; the new descriptor is owned from here on.
        unsafe {
            match libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(EventFd(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(EventFd(self.0.try_clone()?))
    }

    pub fn signal(&self) {
        let one = 1u64;
        // SAFETY: writes eight bytes. Fails only when the counter is full, and then it is readable anyway.
        unsafe { libc::write(self.as_raw_fd(), std::ptr::from_ref(&one).cast(), 8) };
    }

    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes. Fails only when there is nothing to clear.
        unsafe { libc::read(self.as_raw_fd(), std::ptr::from_mut(&mut count).cast(), 8) };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A flag by which one side says that it is about to sleep. Either the sleeper sees the work in its last look, or
/// the side that brings work sees the flag: both store, fence, then load.
pub struct Asleep(AtomicBool);

impl Asleep {
    pub fn new() -> Self {
        Asleep(AtomicBool::new(false))
    }

    /// Says so, and looks once more. Returns false, and takes it back, when there is work after all.
    pub fn fall_asleep(&self, work: impl FnOnce() -> bool) -> bool {
        self.0.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if work() {
            self.0.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    pub fn awake(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// After bringing work: whether the sleeper must be woken. True once per sleep.
    pub fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// A statement of a batch; memory of the worker, as a request's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BatchPart {
    pub cells: *const u8,
    pub cells_size: usize,
    pub statement: u32,
    _reserved: u32,
}

impl BatchPart {
    /// # Safety
    /// Within the life of its request.
    pub unsafe fn cells<'a>(&self) -> &'a [u8] {
        match self.cells_size {
            0 => &[],
            size => std::slice::from_raw_parts(self.cells, size),
        }
    }
}

/// Memory of the worker; valid until the request's completion has been polled.
#[derive(Clone, Copy)]
pub struct Request {
    pub tag: u64,
    pub cells: *const [u8],
    pub paging_state: *const [u8],
    pub timestamp_us: Option<i64>,
    pub statement: u32,
    pub timeout_ms: u32,
    /// Empty: not a batch.
    pub batch: *const [BatchPart],
}

// SAFETY: the buffers are only read, and only between submission and completion (the interface's contract).
unsafe impl Send for Request {}

/// What pointers that were handed to C++ point into.
#[derive(Debug, Default)]
pub struct Owner {
    pub rows: Bytes,
    pub paging_state: Option<Arc<[u8]>>,
    pub message: String,
    /// Of a prepared statement.
    pub metadata: Option<Box<dyn Any + Send>>,
    /// Of the rows, for statements whose answers have columns of their own.
    pub columns: Option<Box<Columns>>,
    pub trace_id: Option<[u8; 16]>,
    pub routes: Option<Arc<Routes>>,
}

#[derive(Debug)]
pub struct Completion {
    pub tag: u64,
    pub status: Status,
    pub code: i32,
    pub retryable: bool,
    pub row_count: u32,
    pub owner: Option<Box<Owner>>,
}

impl Completion {
    pub fn done(tag: u64) -> Self {
        Completion {
            tag,
            status: Status::Ok,
            code: 0,
            retryable: false,
            row_count: 0,
            owner: None,
        }
    }

    pub fn failed(tag: u64, failure: Failure) -> Self {
        Completion {
            status: failure.status,
            code: failure.code,
            retryable: failure.retryable,
            owner: Some(Box::new(Owner {
                message: failure.message,
                ..Owner::default()
            })),
            ..Completion::done(tag)
        }
    }
}

pub struct Channel {
    /// Worker to I/O thread; after `gone` the worker takes its own left-overs back.
    pub submissions: Ring<Request>,
    /// I/O thread to worker. As large as what may be in flight, so a push never fails.
    pub completions: Ring<Completion>,
    /// Set when the I/O thread touches this channel no more.
    gone: AtomicBool,
    worker: Asleep,
    event: EventFd,
    /// The descriptor was written and must be cleared before the next sleep.
    signalled: AtomicBool,
    io: Arc<Remote>,
    in_flight_max: usize,
    /// Worker only: submitted and not yet polled.
    in_flight: Cell<usize>,
}

// SAFETY: `in_flight` is touched by the worker only.
unsafe impl Sync for Channel {}

impl Channel {
    pub fn new(io: Arc<Remote>, in_flight_max: usize) -> io::Result<Self> {
        Ok(Channel {
            submissions: Ring::new(in_flight_max),
            completions: Ring::new(in_flight_max),
            gone: AtomicBool::new(false),
            worker: Asleep::new(),
            event: EventFd::new()?,
            signalled: AtomicBool::new(false),
            io,
            in_flight_max,
            in_flight: Cell::new(0),
        })
    }

    // The worker's side.

    pub fn event_fd(&self) -> i32 {
        self.event.as_raw_fd()
    }

    pub fn io(&self) -> &Arc<Remote> {
        &self.io
    }

    pub fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Returns false when in_flight_max is reached. `kick` after the last one.
    pub fn submit(&self, request: Request) -> bool {
        // SAFETY: the worker is the only one that pushes here.
        if self.in_flight.get() == self.in_flight_max
            || unsafe { self.submissions.push(request) }.is_err()
        {
            return false;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        true
    }

    pub fn kick(&self) {
        self.io.kick();
        // Nobody else would wake the worker for what it takes back.
        if self.gone.load(Ordering::Acquire) {
            self.signal();
        }
    }

    pub fn poll(&self) -> Option<Completion> {
        // SAFETY: the worker is the only one that pops here.
        let completion = unsafe { self.completions.pop() }.or_else(|| self.take_back())?;
        self.in_flight.set(self.in_flight.get() - 1);
        Some(completion)
    }

    /// What the I/O thread had not taken when it let go of this channel.
    fn take_back(&self) -> Option<Completion> {
        if !self.gone.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the I/O thread pushes and pops no more. Its last completions come first.
        unsafe { self.completions.pop() }.or_else(|| {
            let request = unsafe { self.submissions.pop() }?;
            Some(Completion::failed(request.tag, Failure::cancelled()))
        })
    }

    /// Before the first poll of a batch.
    pub fn awake(&self) {
        self.worker.awake();
        if self.signalled.swap(false, Ordering::Acquire) {
            self.event.clear();
        }
    }

    /// Returns true when the worker may sleep on the event descriptor.
    pub fn arm(&self) -> bool {
        self.worker.fall_asleep(|| {
            !self.completions.is_empty()
                || (self.gone.load(Ordering::Acquire) && !self.submissions.is_empty())
        })
    }

    // The I/O thread's side.

    /// After completions were pushed. Returns whether the descriptor was written.
    pub fn notify(&self) -> bool {
        let wake = self.worker.must_wake();
        if wake {
            self.signal();
        }
        wake
    }

    fn signal(&self) {
        self.signalled.store(true, Ordering::Release);
        self.event.signal();
    }

    /// The I/O thread's last act on this channel.
    pub fn let_go(&self) {
        self.gone.store(true, Ordering::Release);
        self.signal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tag: u64) -> Request {
        Request {
            tag,
            cells: &[],
            paging_state: &[],
            timestamp_us: None,
            statement: 0,
            timeout_ms: 1,
            batch: &[],
        }
    }

    fn channel(in_flight_max: usize) -> Channel {
        Channel::new(Arc::new(Remote::new().unwrap()), in_flight_max).unwrap()
    }

    fn readable(channel: &Channel) -> bool {
        let mut poll = libc::pollfd {
            fd: channel.event_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    #[test]
    fn accepts_no_more_than_its_limit_until_completions_are_polled() {
        let channel = channel(2);
        assert!(channel.submit(request(1)));
        assert!(channel.submit(request(2)));
        assert!(!channel.submit(request(3)));
        unsafe {
            let taken = channel.submissions.pop().unwrap();
            channel
                .completions
                .push(Completion::done(taken.tag))
                .unwrap();
        }
        assert!(
            !channel.submit(request(3)),
            "a completion counts until it is polled"
        );
        assert_eq!(channel.poll().unwrap().tag, 1);
        assert!(channel.submit(request(3)));
    }

    #[test]
    fn wakes_an_armed_worker_once_and_an_awake_one_never() {
        let channel = channel(8);
        for tag in 0..4 {
            channel.submit(request(tag));
        }
        unsafe { channel.completions.push(Completion::done(0)).unwrap() };
        assert!(!channel.notify());
        assert!(!readable(&channel));

        assert!(!channel.arm(), "something is waiting: do not sleep");
        channel.poll().unwrap();
        assert!(channel.arm());
        unsafe { channel.completions.push(Completion::done(1)).unwrap() };
        assert!(channel.notify());
        unsafe { channel.completions.push(Completion::done(2)).unwrap() };
        assert!(!channel.notify());
        assert!(readable(&channel));
        channel.awake();
        assert!(!readable(&channel));
    }

    #[test]
    fn requests_never_taken_are_cancelled_last() {
        let channel = channel(8);
        channel.submit(request(1));
        channel.submit(request(2));
        unsafe {
            channel.submissions.pop().unwrap();
            channel.completions.push(Completion::done(1)).unwrap();
        }
        channel.let_go();
        assert!(readable(&channel));
        let tags: Vec<(u64, Status)> = std::iter::from_fn(|| channel.poll())
            .map(|completion| (completion.tag, completion.status))
            .collect();
        assert_eq!(tags, [(1, Status::Ok), (2, Status::Cancelled)]);
        channel.awake();
        assert!(!readable(&channel));
        assert!(channel.submit(request(3)));
        channel.kick();
        assert!(readable(&channel));
        assert!(!channel.arm());
        assert_eq!(channel.poll().unwrap().status, Status::Cancelled);
        assert_eq!(channel.in_flight(), 0);
    }

    #[test]
    fn no_wake_is_lost_between_two_threads() {
        const COUNT: u64 = 20_000;
        let channel = Arc::new(channel(16));
        let io = Arc::clone(&channel);
        let server = std::thread::spawn(move || {
            let mut served = 0;
            while served < COUNT {
                match unsafe { io.submissions.pop() } {
                    Some(taken) => {
                        unsafe { io.completions.push(Completion::done(taken.tag)).unwrap() };
                        io.notify();
                        served += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        let (mut sent, mut received) = (0, 0);
        while received < COUNT {
            while sent < COUNT && channel.submit(request(sent)) {
                sent += 1;
            }
            channel.awake();
            while let Some(completion) = channel.poll() {
                assert_eq!(completion.tag, received);
                received += 1;
            }
            if received < sent && channel.arm() {
                let mut poll = libc::pollfd {
                    fd: channel.event_fd(),
                    events: libc::POLLIN,
                    revents: 0,
                };
                let ready = unsafe { libc::poll(&mut poll, 1, 10_000) };
                assert_eq!(ready, 1, "slept with completions waiting");
            }
        }
        server.join().unwrap();
    }
}
