//! The load of `./dev bench cql`, driven by the ScyllaDB driver alone: as many tasks as requests are in flight, on one
//! thread, each of which asks again as soon as it has its answer. Prints the CPU time of one request.
//!
//! usage: cql-peer ADDRESS insert|select REQUESTS IN_FLIGHT [--tls-ca FILE] [--compression lz4] [--note TEXT]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use openssl::ssl::{SslConnector, SslMethod};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::{OpenSsl010Config, Session, TlsContext};
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression, PoolSize};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::Consistency;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: cql-peer ADDRESS insert|select REQUESTS IN_FLIGHT [--tls-ca FILE] [--compression lz4] \
                     [--note TEXT]";
const IDS: u64 = 1000;
/// As bench/cql/client.h has it.
const NOTE: &str = "a note of about forty bytes, as rows have them";

struct Options {
    address: String,
    inserts: bool,
    requests: u64,
    in_flight: u64,
    tls_ca: Option<String>,
    compression: Option<Compression>,
    note: String,
}

fn options(arguments: &[String]) -> Result<Options, Failure> {
    let [address, kind, requests, in_flight, named @ ..] = arguments else {
        return Err(USAGE.into());
    };
    let mut found = Options {
        address: address.clone(),
        inserts: kind == "insert",
        requests: requests.parse()?,
        in_flight: in_flight.parse()?,
        tls_ca: None,
        compression: None,
        note: NOTE.to_owned(),
    };
    for pair in named.chunks(2) {
        match pair {
            [name, file] if name == "--tls-ca" => found.tls_ca = Some(file.clone()),
            [name, by] if name == "--compression" && by == "lz4" => {
                found.compression = Some(Compression::Lz4)
            }
            [name, note] if name == "--note" => found.note = note.clone(),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(found)
}

fn cpu_us() -> f64 {
    let mut used: libc::timespec = unsafe { std::mem::zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}

fn tls(authority: &str) -> Result<TlsContext, Failure> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_ca_file(authority)?;
    Ok(TlsContext::OpenSsl010Config(OpenSsl010Config::new(builder)))
}

async fn open(options: &Options) -> Result<Session, Failure> {
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::One)
        .serial_consistency(None)
        .request_timeout(None)
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .build();
    let tls = options.tls_ca.as_deref().map(tls).transpose()?;
    let session = SessionBuilder::new()
        .known_node(&options.address)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerShard(std::num::NonZeroUsize::MIN))
        .fetch_full_schema_metadata(false)
        .tls_context(tls)
        .compression(options.compression)
        .build()
        .await?;
    Ok(session)
}

async fn request(session: &Session, statement: &PreparedStatement, options: &Options, n: u64) {
    let id = (n % IDS) as i64;
    if options.inserts {
        let row = (id, n as i32, options.note.as_str());
        let done = session.execute_unpaged(statement, row).await;
        done.expect("an answer");
        return;
    }
    let answer = session.execute_unpaged(statement, (id,)).await;
    let rows = answer.expect("an answer").into_rows_result().expect("rows");
    let row = rows.single_row::<(i32, &str)>().expect("a row");
    std::hint::black_box(row.0 + row.1.len() as i32);
}

async fn load(
    session: &Rc<Session>,
    statement: &Rc<PreparedStatement>,
    options: &Rc<Options>,
    total: u64,
) {
    let next = Rc::new(Cell::new(0u64));
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..options.in_flight {
        let (session, statement) = (session.clone(), statement.clone());
        let (options, next) = (options.clone(), next.clone());
        tasks.spawn_local(async move {
            while next.get() < total {
                let n = next.get();
                next.set(n + 1);
                request(&session, &statement, &options, n).await;
            }
        });
    }
    tasks.await;
}

async fn run(options: Options) -> Result<(), Failure> {
    let session = open(&options).await?;
    let text = match options.inserts {
        true => "INSERT INTO bench.visit (id, place, note) VALUES (?, ?, ?)",
        false => "SELECT place, note FROM bench.visit WHERE id = ?",
    };
    let mut statement = session.prepare(text).await?;
    statement.set_use_cached_result_metadata(true);
    let requests = options.requests;
    let (session, statement, options) = (Rc::new(session), Rc::new(statement), Rc::new(options));
    load(&session, &statement, &options, requests / 10).await;
    let (cpu, wall) = (cpu_us(), Instant::now());
    load(&session, &statement, &options, requests).await;
    let cpu = (cpu_us() - cpu) / requests as f64;
    let wall = wall.elapsed().as_secs_f64();
    println!(
        "{{\"cpu_us\": {cpu:.4}, \"requests_per_second\": {:.0}}}",
        requests as f64 / wall
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = options(&arguments)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(options))
}
