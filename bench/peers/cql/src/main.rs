//! The load of `./dev bench cql`, driven by the ScyllaDB driver alone: as many tasks as requests are in flight, on one
//! thread, each of which asks again as soon as it has its answer. Prints the CPU time of one request.
//!
//! usage: cql-peer ADDRESS insert|select REQUESTS IN_FLIGHT

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::PoolSize;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::Consistency;

type Failure = Box<dyn std::error::Error>;

fn cpu_us() -> f64 {
    let mut used: libc::timespec = unsafe { std::mem::zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}

async fn run(address: &str, inserts: bool, requests: u64, in_flight: u64) -> Result<(), Failure> {
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::One)
        .serial_consistency(None)
        .request_timeout(None)
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .build();
    let session = SessionBuilder::new()
        .known_node(address)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerShard(std::num::NonZeroUsize::MIN))
        .fetch_full_schema_metadata(false)
        .build()
        .await?;
    let text = match inserts {
        true => "INSERT INTO bench.visit (id, place, note) VALUES (?, ?, ?)",
        false => "SELECT place, note FROM bench.visit WHERE id = ?",
    };
    let mut statement = session.prepare(text).await?;
    statement.set_use_cached_result_metadata(true);
    let (session, statement) = (Rc::new(session), Rc::new(statement));
    let next = Rc::new(Cell::new(0u64));
    let load = |total: u64| {
        let (session, statement, next) = (session.clone(), statement.clone(), next.clone());
        async move {
            next.set(0);
            let tasks = tokio::task::LocalSet::new();
            for _ in 0..in_flight {
                let (session, statement, next) = (session.clone(), statement.clone(), next.clone());
                tasks.spawn_local(async move {
                    while next.get() < total {
                        let n = next.get();
                        next.set(n + 1);
                        let id = (n % 1000) as i64;
                        let done = if inserts {
                            let row = (
                                id,
                                n as i32,
                                "a note of about forty bytes, as rows have them",
                            );
                            session.execute_unpaged(&statement, row).await.map(drop)
                        } else {
                            session
                                .execute_unpaged(&statement, (id,))
                                .await
                                .map(|answer| {
                                    let rows = answer.into_rows_result().expect("rows");
                                    let row = rows.single_row::<(i32, &str)>().expect("a row");
                                    std::hint::black_box(row.0 + row.1.len() as i32);
                                })
                        };
                        done.expect("an answer");
                    }
                });
            }
            tasks.await;
        }
    };
    load(requests / 10).await;
    let (cpu, wall) = (cpu_us(), Instant::now());
    load(requests).await;
    let cpu = (cpu_us() - cpu) / requests as f64;
    let wall = wall.elapsed().as_secs_f64();
    println!(
        "{{\"cpu_us\": {cpu:.4}, \"requests_per_second\": {:.0}}}",
        requests as f64 / wall
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, kind, requests, in_flight] = arguments.as_slice() else {
        return Err("usage: cql-peer ADDRESS insert|select REQUESTS IN_FLIGHT".into());
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(
            address,
            kind == "insert",
            requests.parse()?,
            in_flight.parse()?,
        ))
}
