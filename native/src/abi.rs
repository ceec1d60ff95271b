//! The C interface; include/millrace/native/bridge.h is its manual, and the structs here mirror that header field
//! by field.

use std::ffi::{c_char, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use scylla::statement::{Consistency, SerialConsistency};

use crate::channel::{BatchPart, Channel, Completion, Owner, Request};
use crate::config::{Config, Speculative, Tls, DEFAULT_KEEPALIVE};
use crate::failure::{Failure, Status};
use crate::remote::Command;
use crate::routes::{CExecutable, CNode, CRing};
use crate::session::{Session, StatementOptions};
use crate::statement::{CColumn, Columns};
use crate::tsan;

const ABI_VERSION: u32 = 4;
const DEFAULT_TIMEOUT_MS: u32 = 15_000;
const DEFAULT_PAGE_SIZE: u32 = 5_000;
const IN_FLIGHT_MAX: u32 = 65_536;
const IO_THREADS_MAX: u32 = 64;
const NO_TIMESTAMP: i64 = i64::MIN;

#[repr(C)]
pub struct CError {
    size: u32,
    status: i32,
    code: i32,
    retryable: i32,
    message: [c_char; 1000],
}

#[repr(C)]
pub struct CConfig {
    size: u32,
    consistency: u32,
    contact_points: *const c_char,
    local_datacenter: *const c_char,
    local_rack: *const c_char,
    keyspace: *const c_char,
    user: *const c_char,
    password: *const c_char,
    tls_ca_file: *const c_char,
    tls_certificate_file: *const c_char,
    tls_key_file: *const c_char,
    application_name: *const c_char,
    application_version: *const c_char,
    tls: u32,
    datacenter_failover: u32,
    connect_timeout_ms: u32,
    io_threads: u32,
    keepalive_ms: u32,
    speculative_after_ms: u32,
    speculative_max: u32,
    reserved: u32,
}

#[repr(C)]
pub struct CStatement {
    size: u32,
    consistency: i32,
    serial_consistency: i32,
    idempotent: u32,
    page_size: u32,
    timeout_ms: u32,
    conditional: u32,
    trace: u32,
    text: *const c_char,
}

#[repr(C)]
pub struct CPrepared {
    size: u32,
    statement: u32,
    parameters: *const CColumn,
    parameter_count: usize,
    columns: *const CColumn,
    column_count: usize,
    partition_key: *const u16,
    partition_key_count: usize,
    owner: *mut Owner,
}

#[repr(C)]
pub struct CRequest {
    tag: u64,
    cells: *const u8,
    cells_size: usize,
    paging_state: *const u8,
    paging_state_size: usize,
    timestamp_us: i64,
    statement: u32,
    timeout_ms: u32,
    batch: *const BatchPart,
    batch_count: usize,
}

#[repr(C)]
pub struct CCompletion {
    tag: u64,
    cells: *const u8,
    cells_size: usize,
    paging_state: *const u8,
    paging_state_size: usize,
    message: *const c_char,
    message_size: usize,
    columns: *const CColumn,
    column_count: usize,
    trace_id: *const u8,
    owner: *mut Owner,
    status: i32,
    code: i32,
    row_count: u32,
    retryable: u32,
}

#[repr(C)]
pub struct CCounters {
    size: u64,
    requests: u64,
    client_timeouts: u64,
    wakes: u64,
    panics: u64,
    in_flight: u64,
    refused: u64,
    shrunk: u64,
    waiting: u64,
    limit_min: u64,
    speculative: u64,
    nodes: u64,
    nodes_connected: u64,
}

#[repr(C)]
pub struct CRoutes {
    size: u64,
    version: u64,
    nodes: *const CNode,
    node_count: usize,
    rings: *const CRing,
    ring_count: usize,
    executables: *const CExecutable,
    executable_count: usize,
    owner: *mut Owner,
}

struct Metadata {
    _parameters: Columns,
    _columns: Columns,
    _partition_key: Vec<u16>,
}

/// None for NULL and for the empty string.
unsafe fn text(from: *const c_char) -> Result<Option<String>, Failure> {
    if from.is_null() {
        return Ok(None);
    }
    match CStr::from_ptr(from).to_str() {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Failure::new(Status::Config, "a text is not UTF-8")),
    }
}

unsafe fn slice<T>(data: *const T, size: usize) -> *const [T] {
    if size == 0 {
        return std::ptr::slice_from_raw_parts(std::ptr::NonNull::dangling().as_ptr(), 0);
    }
    std::ptr::slice_from_raw_parts(data, size)
}

unsafe fn report(failure: &Failure, error: *mut CError) -> i32 {
    if let Some(error) = error.as_mut() {
        error.status = failure.status as i32;
        error.code = failure.code;
        error.retryable = i32::from(failure.retryable);
        let mut end = failure.message.len().min(error.message.len() - 1);
        while !failure.message.is_char_boundary(end) {
            end -= 1;
        }
        for (place, byte) in error
            .message
            .iter_mut()
            .zip(&failure.message.as_bytes()[..end])
        {
            *place = *byte as c_char;
        }
        error.message[end] = 0;
    }
    failure.status as i32
}

/// Runs an entry of the interface: a panic becomes an error.
unsafe fn entry(error: *mut CError, work: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure::new(
            Status::Internal,
            "the database bridge panicked; please report it",
        ))
    });
    match outcome {
        Ok(()) => Status::Ok as i32,
        Err(failure) => report(&failure, error),
    }
}

/// For entries that cannot fail: a panic there is a broken invariant.
fn certain<T>(work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| std::process::abort())
}

fn timeout(milliseconds: u32) -> Duration {
    let milliseconds = match milliseconds {
        0 => DEFAULT_TIMEOUT_MS,
        given => given,
    };
    Duration::from_millis(u64::from(milliseconds))
}

fn consistency(number: u32) -> Result<Consistency, Failure> {
    u16::try_from(number)
        .ok()
        .and_then(|number| Consistency::try_from(number).ok())
        .ok_or_else(|| Failure::new(Status::Config, format!("no consistency {number}")))
}

fn wrong_size(what: &str) -> Failure {
    Failure::new(
        Status::Internal,
        format!("{what} was built for another version of the bridge"),
    )
}

unsafe fn config(from: &CConfig) -> Result<Config, Failure> {
    if from.size as usize != size_of::<CConfig>() {
        return Err(wrong_size("the session's configuration"));
    }
    let contact_points: Vec<String> = text(from.contact_points)?
        .unwrap_or_default()
        .split(',')
        .map(|point| point.trim().to_owned())
        .filter(|point| !point.is_empty())
        .collect();
    if contact_points.is_empty() {
        return Err(Failure::new(Status::Config, "no contact point is configured"));
    }
    let tls = Tls {
        ca_file: text(from.tls_ca_file)?,
        certificate_file: text(from.tls_certificate_file)?,
        key_file: text(from.tls_key_file)?,
    };
    Ok(Config {
        contact_points,
        local_datacenter: text(from.local_datacenter)?,
        local_rack: text(from.local_rack)?,
        datacenter_failover: from.datacenter_failover != 0,
        keyspace: text(from.keyspace)?,
        user: text(from.user)?,
        password: text(from.password)?,
        tls: (from.tls != 0).then_some(tls),
        consistency: consistency(from.consistency)?,
        connect_timeout: timeout(from.connect_timeout_ms),
        application_name: text(from.application_name)?,
        application_version: text(from.application_version)?,
        keepalive: match from.keepalive_ms {
            0 => DEFAULT_KEEPALIVE,
            given => Duration::from_millis(u64::from(given)),
        },
        speculative: (from.speculative_after_ms > 0 && from.speculative_max > 0).then(|| {
            Speculative {
                after: Duration::from_millis(u64::from(from.speculative_after_ms)),
                max: from.speculative_max as usize,
            }
        }),
    })
}

unsafe fn options(from: &CStatement) -> Result<StatementOptions, Failure> {
    if from.size as usize != size_of::<CStatement>() {
        return Err(wrong_size("a statement"));
    }
    let page_size = match from.page_size {
        0 => DEFAULT_PAGE_SIZE,
        given => given,
    };
    Ok(StatementOptions {
        text: text(from.text)?.unwrap_or_default(),
        consistency: u32::try_from(from.consistency)
            .ok()
            .map(consistency)
            .transpose()?,
        serial_consistency: match from.serial_consistency {
            8 => Some(SerialConsistency::Serial),
            9 => Some(SerialConsistency::LocalSerial),
            _ => None,
        },
        idempotent: from.idempotent != 0,
        page_size: i32::try_from(page_size).unwrap_or(i32::MAX),
        timeout: timeout(from.timeout_ms),
        conditional: from.conditional != 0,
        trace: from.trace != 0,
    })
}

#[no_mangle]
pub extern "C" fn millrace_cql_abi_version() -> u32 {
    ABI_VERSION
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_session_open(
    from: *const CConfig,
    session: *mut *mut Session,
    error: *mut CError,
) -> i32 {
    entry(error, || {
        let config = config(&*from)?;
        let io_threads = (*from).io_threads.clamp(1, IO_THREADS_MAX) as usize;
        *session = Box::into_raw(Box::new(Session::open(&config, io_threads)?));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_session_close(session: *mut Session) {
    if !session.is_null() {
        certain(|| drop(Box::from_raw(session)));
    }
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_execute(
    session: *mut Session,
    statement: *const c_char,
    timeout_ms: u32,
    error: *mut CError,
) -> i32 {
    entry(error, || {
        let statement = text(statement)?.unwrap_or_default();
        (*session).execute(&statement, timeout(timeout_ms))
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_prepare(
    session: *mut Session,
    statement: *const CStatement,
    prepared: *mut CPrepared,
    error: *mut CError,
) -> i32 {
    entry(error, || {
        let prepared = &mut *prepared;
        if prepared.size as usize != size_of::<CPrepared>() {
            return Err(wrong_size("a prepared statement"));
        }
        let (id, description) = (*session).prepare(&options(&*statement)?)?;
        // The vectors' and texts' heap blocks stay where they are when the metadata moves into its box.
        let parameters = Columns::new(description.parameters);
        let columns = Columns::new(description.columns);
        prepared.statement = id;
        prepared.parameters = parameters.as_slice().as_ptr();
        prepared.parameter_count = parameters.as_slice().len();
        prepared.columns = columns.as_slice().as_ptr();
        prepared.column_count = columns.as_slice().len();
        prepared.partition_key = description.partition_key.as_ptr();
        prepared.partition_key_count = description.partition_key.len();
        let metadata = Metadata {
            _parameters: parameters,
            _columns: columns,
            _partition_key: description.partition_key,
        };
        prepared.owner = Box::into_raw(Box::new(Owner {
            metadata: Some(Box::new(metadata)),
            ..Owner::default()
        }));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_forget(session: *mut Session, statement: u32) {
    certain(|| (*session).forget(statement));
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_open(
    session: *mut Session,
    in_flight_max: u32,
    channel: *mut *const Channel,
    error: *mut CError,
) -> i32 {
    entry(error, || {
        if !(1..=IN_FLIGHT_MAX).contains(&in_flight_max) {
            return Err(Failure::new(
                Status::Config,
                format!("a channel cannot have {in_flight_max} requests in flight"),
            ));
        }
        *channel = Arc::into_raw((*session).open_channel(in_flight_max as usize)?);
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_event_fd(channel: *const Channel) -> i32 {
    (*channel).event_fd()
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_close(channel: *const Channel) {
    certain(|| {
        Arc::increment_strong_count(channel);
        let channel = Arc::from_raw(channel);
        let io = Arc::clone(channel.io());
        io.send(Command::Close(channel));
    });
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_free(channel: *const Channel) {
    if channel.is_null() {
        return;
    }
    certain(|| {
        let channel = Arc::from_raw(channel);
        assert_eq!(
            channel.in_flight(),
            0,
            "a channel was freed with requests in flight"
        );
        let io = Arc::clone(channel.io());
        io.send(Command::Close(channel));
    });
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_submit(
    channel: *const Channel,
    requests: *const CRequest,
    count: usize,
) -> usize {
    certain(|| {
        let channel = &*channel;
        let mut accepted = 0;
        while accepted < count {
            let from = &*requests.add(accepted);
            let request = Request {
                tag: from.tag,
                cells: slice(from.cells, from.cells_size),
                paging_state: slice(from.paging_state, from.paging_state_size),
                timestamp_us: (from.timestamp_us != NO_TIMESTAMP).then_some(from.timestamp_us),
                statement: from.statement,
                timeout_ms: from.timeout_ms,
                batch: slice(from.batch, from.batch_count),
            };
            if !channel.submit(request) {
                break;
            }
            accepted += 1;
        }
        if accepted > 0 {
            channel.kick();
        }
        accepted
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_routes_version(channel: *const Channel) -> u64 {
    (*channel).io().routes_version.load(Ordering::Acquire)
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_channel_routes(
    channel: *const Channel,
    routes: *mut CRoutes,
) {
    certain(|| {
        let io = (*channel).io();
        let to = &mut *routes;
        // Before the routes: they are at least as new.
        to.version = io.routes_version.load(Ordering::Acquire);
        let from = Arc::clone(&io.routes());
        to.nodes = from.nodes().as_ptr();
        to.node_count = from.nodes().len();
        to.rings = from.rings().as_ptr();
        to.ring_count = from.rings().len();
        to.executables = from.executables().as_ptr();
        to.executable_count = from.executables().len();
        to.owner = Box::into_raw(Box::new(Owner {
            routes: Some(from),
            ..Owner::default()
        }));
    });
}

fn convert(from: Completion) -> CCompletion {
    let mut to = CCompletion {
        tag: from.tag,
        cells: std::ptr::null(),
        cells_size: 0,
        paging_state: std::ptr::null(),
        paging_state_size: 0,
        message: std::ptr::null(),
        message_size: 0,
        columns: std::ptr::null(),
        column_count: 0,
        trace_id: std::ptr::null(),
        owner: std::ptr::null_mut(),
        status: from.status as i32,
        code: from.code,
        row_count: from.row_count,
        retryable: u32::from(from.retryable),
    };
    if let Some(owner) = from.owner {
        to.cells = owner.rows.as_ptr();
        to.cells_size = owner.rows.len();
        if let Some(state) = &owner.paging_state {
            to.paging_state = state.as_ptr();
            to.paging_state_size = state.len();
        }
        to.message = owner.message.as_ptr().cast();
        to.message_size = owner.message.len();
        if let Some(columns) = &owner.columns {
            to.columns = columns.as_slice().as_ptr();
            to.column_count = columns.as_slice().len();
        }
        if let Some(trace_id) = &owner.trace_id {
            to.trace_id = trace_id.as_ptr();
        }
        to.owner = Box::into_raw(owner);
    }
    to
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_poll(
    channel: *const Channel,
    completions: *mut CCompletion,
    count: usize,
) -> usize {
    certain(|| {
        let channel = &*channel;
        channel.awake();
        let mut taken = 0;
        while taken < count {
            let Some(completion) = channel.poll() else {
                break;
            };
            completions.add(taken).write(convert(completion));
            taken += 1;
        }
        taken
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_arm(channel: *const Channel) -> i32 {
    i32::from(!(*channel).arm())
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_release(owners: *const *mut Owner, count: usize) {
    certain(|| {
        for index in 0..count {
            let owner = *owners.add(index);
            if !owner.is_null() {
                tsan::acquire(&*owner);
                drop(Box::from_raw(owner));
            }
        }
    });
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_session_counters(
    session: *const Session,
    counters: *mut CCounters,
) {
    let counters = &mut *counters;
    counters.requests = 0;
    counters.client_timeouts = 0;
    counters.wakes = 0;
    counters.panics = 0;
    counters.in_flight = 0;
    counters.refused = 0;
    counters.shrunk = 0;
    counters.waiting = 0;
    counters.limit_min = u64::MAX;
    counters.speculative = 0;
    counters.nodes = 0;
    counters.nodes_connected = 0;
    for remote in (*session).remotes() {
        let of = &remote.counters;
        counters.requests += of.requests.load(Ordering::Relaxed);
        counters.client_timeouts += of.client_timeouts.load(Ordering::Relaxed);
        counters.wakes += of.wakes.load(Ordering::Relaxed);
        counters.panics += of.panics.load(Ordering::Relaxed);
        counters.in_flight += of.in_flight.load(Ordering::Relaxed);
        counters.refused += of.refused.load(Ordering::Relaxed);
        counters.shrunk += of.shrunk.load(Ordering::Relaxed);
        counters.waiting += of.waiting.load(Ordering::Relaxed);
        counters.speculative += of.speculative.load(Ordering::Relaxed);
        // Every I/O thread has a view of the same cluster.
        counters.nodes = counters.nodes.max(of.nodes.load(Ordering::Relaxed));
        counters.nodes_connected = counters
            .nodes_connected
            .max(of.nodes_connected.load(Ordering::Relaxed));
        // 0: the thread has sent nothing yet.
        let limit = of.limit_min.load(Ordering::Relaxed);
        if limit > 0 {
            counters.limit_min = counters.limit_min.min(limit);
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_inject_panic(session: *const Session) {
    for remote in (*session).remotes() {
        remote.panic_next.store(true, Ordering::Relaxed);
    }
}
