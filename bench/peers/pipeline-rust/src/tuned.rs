//! Rust with everything that helps: one thread for the whole program (a current-thread runtime beats two threads here),
//! records taken from librdkafka's queue without a future each, serde_avro_fast borrowing from the message, statements
//! prepared once, no lock, no Arc, results read without allocation.

mod common;
#[allow(dead_code)]
#[path = "../../rust/src/navigation.rs"]
mod navigation;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Arguments, Latencies, Tracker, COMMIT_EVERY, FRAME, INSERT, SELECT};
use navigation::Navigation;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use serde_bytes::Bytes;
use tokio::sync::Semaphore;
use uuid::Uuid;

const RECORDS_PER_TURN: usize = 64;
const IDLE: Duration = Duration::from_micros(500);

struct Statements {
    select: PreparedStatement,
    insert: PreparedStatement,
}

struct Progress {
    tracker: Tracker,
    latencies: Latencies,
}

/// What is left of a record once it is decoded: only this waits.
struct Visit {
    visitor_id: String,
    event_time: i64,
    event_id: Uuid,
    url: String,
}

async fn process(session: &Session, statements: &Statements, visit: Visit) {
    let rows = session
        .execute_unpaged(&statements.select, (&visit.visitor_id,))
        .await
        .expect("SELECT is answered")
        .into_rows_result()
        .expect("rows");
    let (segment, score) =
        rows.maybe_first_row::<(&str, f64)>().expect("a segment and a score").unwrap_or(("unknown", 0.0));
    let values = (&visit.visitor_id, CqlTimestamp(visit.event_time), visit.event_id, &visit.url, segment, score);
    session.execute_unpaged(&statements.insert, values).await.expect("INSERT is answered");
}

fn commit(consumer: &BaseConsumer, topic: &str, tracker: &Tracker, mode: CommitMode) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in tracker.positions() {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    }
    if list.count() > 0 {
        consumer.commit(&list, mode).expect("the offsets can be committed");
    }
}

async fn run(arguments: Arguments) {
    // A decimal would be turned into text or a number; as plain bytes it is borrowed.
    let plain = arguments.schema.replace(r#""logicalType": "decimal", "precision": 12, "scale": 2"#, r#""x": 0"#);
    let schema: serde_avro_fast::Schema = plain.parse().expect("the schema is one");
    let session = Rc::new(SessionBuilder::new().known_node(&arguments.cql).build().await.expect("the database answers"));
    let mut statements = Statements {
        select: session.prepare(SELECT).await.expect("SELECT can be prepared"),
        insert: session.prepare(INSERT).await.expect("INSERT can be prepared"),
    };
    statements.select.set_use_cached_result_metadata(true);
    let statements = Rc::new(statements);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        .set("group.id", &arguments.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "100000")
        .create()
        .expect("the consumer can be made");
    consumer.subscribe(&[&arguments.topic]).expect("the topic can be subscribed to");

    let progress = Rc::new(RefCell::new(Progress {
        tracker: Tracker::default(),
        latencies: Latencies::new(arguments.records),
    }));
    let permits = Rc::new(Semaphore::new(arguments.in_flight));
    let mut committed = Instant::now();
    let mut taken = 0;
    while taken < arguments.records {
        let permit = permits.clone();
        let mut turn = 0;
        while turn < RECORDS_PER_TURN && taken < arguments.records {
            permit.acquire().await.unwrap().forget();
            let Some(message) = consumer.poll(Duration::ZERO) else {
                permit.add_permits(1);
                break;
            };
            let message = message.expect("a record");
            let fetched = Instant::now();
            let (partition, offset) = (message.partition(), message.offset());
            let datum = &message.payload().expect("a value")[FRAME..];
            let nav: Navigation<&str, &Bytes> =
                serde_avro_fast::from_datum_slice(datum, &schema).expect("a Navigation");
            let visit = Visit {
                visitor_id: nav.visitor_id.to_owned(),
                event_time: nav.event_time,
                event_id: Uuid::try_parse(nav.event_id).expect("a UUID"),
                url: nav.page.url.to_owned(),
            };
            progress.borrow_mut().tracker.started(partition, offset);
            let (session, statements, progress, permits) =
                (session.clone(), statements.clone(), progress.clone(), permits.clone());
            tokio::task::spawn_local(async move {
                process(&session, &statements, visit).await;
                let mut progress = progress.borrow_mut();
                progress.tracker.done(partition, offset);
                progress.latencies.add(fetched);
                permits.add_permits(1);
            });
            taken += 1;
            turn += 1;
        }
        if turn == 0 {
            tokio::time::sleep(IDLE).await;
        } else {
            tokio::task::yield_now().await;
        }
        if committed.elapsed() >= COMMIT_EVERY {
            commit(&consumer, &arguments.topic, &progress.borrow().tracker, CommitMode::Async);
            committed = Instant::now();
        }
    }
    while progress.borrow().latencies.seen() < arguments.records {
        tokio::time::sleep(IDLE).await;
    }
    commit(&consumer, &arguments.topic, &progress.borrow().tracker, CommitMode::Sync);
    progress.borrow_mut().latencies.print();
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap().recv().await;
}

fn main() {
    let arguments = Arguments::read();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, run(arguments));
}
