//! What both Rust contestants share: arguments, which offsets may be committed, latencies.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

pub const SELECT: &str = "SELECT segment, score FROM bench.visitor_profile WHERE visitor_id = ?";
pub const INSERT: &str =
    "INSERT INTO bench.visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, ?)";
pub const COMMIT_EVERY: Duration = Duration::from_secs(1);
pub const FRAME: usize = 5;

/// usage: BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT
pub struct Arguments {
    pub brokers: String,
    pub topic: String,
    pub group: String,
    pub cql: String,
    pub schema: String,
    pub records: usize,
    pub in_flight: usize,
}

impl Arguments {
    pub fn read() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [brokers, topic, group, cql, schema, records, in_flight] =
            <[String; 7]>::try_from(words).expect("BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT");
        Self {
            brokers,
            topic,
            group,
            cql,
            schema: std::fs::read_to_string(schema).expect("the schema can be read"),
            records: records.parse().expect("RECORDS is a number"),
            in_flight: in_flight.parse().expect("IN_FLIGHT is a number"),
        }
    }
}

/// Per partition the offsets in flight; what is below the lowest of them may be committed.
#[derive(Default)]
pub struct Tracker {
    partitions: HashMap<i32, Partition>,
}

#[derive(Default)]
struct Partition {
    in_flight: BTreeSet<i64>,
    next: i64,
}

impl Tracker {
    pub fn started(&mut self, partition: i32, offset: i64) {
        let one = self.partitions.entry(partition).or_default();
        one.in_flight.insert(offset);
        one.next = offset + 1;
    }
    pub fn done(&mut self, partition: i32, offset: i64) {
        if let Some(one) = self.partitions.get_mut(&partition) {
            one.in_flight.remove(&offset);
        }
    }
    /// (partition, offset to commit)
    pub fn positions(&self) -> Vec<(i32, i64)> {
        self.partitions
            .iter()
            .map(|(partition, one)| (*partition, one.in_flight.first().copied().unwrap_or(one.next)))
            .collect()
    }
}

/// From fetch to acknowledgement, of the records behind the warm-up.
pub struct Latencies {
    micros: Vec<u32>,
    seen: usize,
    warm_up: usize,
}

impl Latencies {
    pub fn new(records: usize) -> Self {
        Self { micros: Vec::with_capacity(records), seen: 0, warm_up: records / 5 }
    }
    pub fn add(&mut self, fetched: Instant) {
        self.seen += 1;
        if self.seen > self.warm_up {
            self.micros.push(fetched.elapsed().as_micros() as u32);
        }
    }
    pub fn seen(&self) -> usize {
        self.seen
    }
    pub fn print(&mut self) {
        self.micros.sort_unstable();
        let at = |share: f64| {
            let index = ((self.micros.len() as f64 * share) as usize).min(self.micros.len() - 1);
            f64::from(self.micros[index]) / 1e3
        };
        println!("{{\"p50_ms\": {}, \"p95_ms\": {}, \"p99_ms\": {}}}", at(0.50), at(0.95), at(0.99));
    }
}
