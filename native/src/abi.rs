//! The C interface; include/millrace/native/bridge.h is its manual, and the structs here mirror that header field
//! by field.

use std::ffi::{c_char, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use crate::address_map::AddressMap;
use crate::config::{Config, Tls, DEFAULT_KEEPALIVE};
use crate::failure::{Failure, Status};
use crate::session::Session;
use crate::statement::{CColumn, Columns, Description};
use crate::topology::{CKeyspace, CNode, CRing, Snapshot};

const ABI_VERSION: u32 = 5;
const DEFAULT_TIMEOUT_MS: u32 = 15_000;

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
    connect_timeout_ms: u32,
    contact_points: *const c_char,
    address_map: *const c_char,
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
    keepalive_ms: u32,
    reserved: u32,
}

#[repr(C)]
pub struct CPrepared {
    size: u64,
    id: *const u8,
    id_size: usize,
    parameters: *const CColumn,
    parameter_count: usize,
    columns: *const CColumn,
    column_count: usize,
    partition_key: *const u16,
    partition_key_count: usize,
    keyspace: *const c_char,
    table: *const c_char,
    murmur3: u32,
    conditional: u32,
    owner: *mut Owner,
}

#[repr(C)]
pub struct CTopology {
    size: u64,
    version: u64,
    nodes: *const CNode,
    node_count: usize,
    keyspaces: *const CKeyspace,
    keyspace_count: usize,
    rings: *const CRing,
    ring_count: usize,
    owner: *mut Owner,
}

#[repr(C)]
pub struct CCounters {
    size: u64,
    nodes: u64,
    nodes_connected: u64,
    panics: u64,
    prepared: u64,
    topology_changes: u64,
}

/// A statement with its form for C.
pub struct Metadata {
    description: Description,
    parameters: Columns,
    columns: Columns,
}

/// What the interface handed out.
pub enum Owner {
    Prepared(Box<Metadata>),
    Topology(Arc<Snapshot>),
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
        return Err(Failure::new(
            Status::Config,
            "no contact point is configured",
        ));
    }
    let tls = Tls {
        ca_file: text(from.tls_ca_file)?,
        certificate_file: text(from.tls_certificate_file)?,
        key_file: text(from.tls_key_file)?,
    };
    Ok(Config {
        contact_points,
        address_map: AddressMap::parse(&text(from.address_map)?.unwrap_or_default())?,
        local_datacenter: text(from.local_datacenter)?,
        local_rack: text(from.local_rack)?,
        datacenter_failover: from.datacenter_failover != 0,
        keyspace: text(from.keyspace)?,
        user: text(from.user)?,
        password: text(from.password)?,
        tls: (from.tls != 0).then_some(tls),
        connect_timeout: timeout(from.connect_timeout_ms),
        application_name: text(from.application_name)?,
        application_version: text(from.application_version)?,
        keepalive: match from.keepalive_ms {
            0 => DEFAULT_KEEPALIVE,
            given => Duration::from_millis(u64::from(given)),
        },
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
        *session = Box::into_raw(Box::new(Session::open(config(&*from)?)?));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_session_renew(
    session: *mut Session,
    from: *const CConfig,
    error: *mut CError,
) -> i32 {
    entry(error, || (*session).renew(config(&*from)?))
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
        (*session).execute(statement, timeout(timeout_ms))
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_prepare(
    session: *mut Session,
    statement: *const c_char,
    timeout_ms: u32,
    prepared: *mut CPrepared,
    error: *mut CError,
) -> i32 {
    entry(error, || {
        let to = &mut *prepared;
        if to.size as usize != size_of::<CPrepared>() {
            return Err(wrong_size("a prepared statement"));
        }
        let statement = text(statement)?.unwrap_or_default();
        let mut description = (*session).prepare(statement, timeout(timeout_ms))?;
        let metadata = Box::new(Metadata {
            parameters: Columns::new(std::mem::take(&mut description.parameters)),
            columns: Columns::new(std::mem::take(&mut description.columns)),
            description,
        });
        let description = &metadata.description;
        to.id = description.id.as_ptr();
        to.id_size = description.id.len();
        to.parameters = metadata.parameters.as_slice().as_ptr();
        to.parameter_count = metadata.parameters.as_slice().len();
        to.columns = metadata.columns.as_slice().as_ptr();
        to.column_count = metadata.columns.as_slice().len();
        to.partition_key = description.partition_key.as_ptr();
        to.partition_key_count = description.partition_key.len();
        to.keyspace = description.keyspace.as_ptr();
        to.table = description.table.as_ptr();
        to.murmur3 = u32::from(description.murmur3);
        to.conditional = u32::from(description.conditional);
        to.owner = Box::into_raw(Box::new(Owner::Prepared(metadata)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_topology_version(session: *const Session) -> u64 {
    (*session).shared().version()
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_session_topology(
    session: *const Session,
    topology: *mut CTopology,
) {
    certain(|| {
        let from = (*session).shared().topology();
        let to = &mut *topology;
        to.version = from.version();
        to.nodes = from.nodes().as_ptr();
        to.node_count = from.nodes().len();
        to.keyspaces = from.keyspaces().as_ptr();
        to.keyspace_count = from.keyspaces().len();
        to.rings = from.rings().as_ptr();
        to.ring_count = from.rings().len();
        to.owner = Box::into_raw(Box::new(Owner::Topology(from)));
    });
}

#[no_mangle]
pub unsafe extern "C" fn millrace_cql_release(owners: *const *mut Owner, count: usize) {
    certain(|| {
        for index in 0..count {
            let owner = *owners.add(index);
            if !owner.is_null() {
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
    certain(|| {
        let shared = (*session).shared();
        let topology = shared.topology();
        let to = &mut *counters;
        to.nodes = topology.nodes().len() as u64;
        to.nodes_connected = topology.nodes_up() as u64;
        to.panics = shared.counters.panics.load(Ordering::Relaxed);
        to.prepared = shared.counters.prepared.load(Ordering::Relaxed);
        to.topology_changes = topology.version().saturating_sub(1);
    });
}
