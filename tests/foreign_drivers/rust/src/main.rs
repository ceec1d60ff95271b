//! ScyllaDB's Rust driver: executes what lines of standard input ask for, each answered by one line.
//!
//! usage: foreign-driver HOST:PORT KEYSPACE.TABLE COMPRESSION
//!     run N    "done N": N prepared statements, an INSERT and a SELECT of its row in turn

use std::io::{BufRead, Write};

use futures::stream::{self, TryStreamExt};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::Compression;
use scylla::statement::prepared::PreparedStatement;

const CONCURRENCY: usize = 32;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// SplitMix64: keys that look random and are the same in every run.
fn key(number: u64) -> String {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    format!("key {}", mixed ^ (mixed >> 27))
}

async fn write_and_read(
    session: &Session,
    insert: &PreparedStatement,
    select: &PreparedStatement,
    number: u64,
) -> Result<(), Failure> {
    let id = key(number);
    let value = i32::try_from(id.len())?;
    session.execute_unpaged(insert, (id.as_str(), value)).await?;
    let rows = session.execute_unpaged(select, (id.as_str(),)).await?.into_rows_result()?;
    let (read,) = rows.single_row::<(i32,)>()?;
    if read != value {
        return Err(format!("{id} has {read}").into());
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, table, compression] = <[String; 3]>::try_from(words).expect("HOST:PORT KEYSPACE.TABLE COMPRESSION");
    let compression = match compression.as_str() {
        "lz4" => Some(Compression::Lz4),
        "snappy" => Some(Compression::Snappy),
        _ => None,
    };
    let session = SessionBuilder::new().known_node(address).compression(compression).build().await?;
    let insert = session.prepare(format!("INSERT INTO {table} (id, v) VALUES (?, ?)")).await?;
    let select = session.prepare(format!("SELECT v FROM {table} WHERE id = ?")).await?;
    let mut next = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let count: u64 = line.trim_start_matches("run ").parse()?;
        let last = next + count / 2;
        stream::iter((next..last).map(Ok))
            .try_for_each_concurrent(CONCURRENCY, |number| write_and_read(&session, &insert, &select, number))
            .await?;
        next = last;
        println!("done {}", count / 2 * 2);
        std::io::stdout().flush()?;
    }
    Ok(())
}
