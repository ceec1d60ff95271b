//! As the original system was written: rdkafka's StreamConsumer, apache-avro's from_avro_datum and from_value inline in the
//! consume loop, a tokio task per record under a semaphore, scylla's CachingSession.

mod common;
#[allow(dead_code)]
#[path = "../../rust/src/navigation.rs"]
mod navigation;

use std::sync::{Arc, Mutex};
use std::time::Instant;

#[allow(deprecated)] // what the original system called
use apache_avro::{from_avro_datum, from_value, Schema};
use common::{Arguments, Latencies, Tracker, COMMIT_EVERY, FRAME, INSERT, SELECT};
use navigation::Navigation;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use scylla::client::caching_session::CachingSession;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::CqlTimestamp;
use serde_bytes::ByteBuf;
use tokio::sync::Semaphore;
use uuid::Uuid;

const STATEMENTS_CACHED: usize = 100;

struct Progress {
    tracker: Tracker,
    latencies: Latencies,
}

async fn process(session: &CachingSession, nav: &Navigation<String, ByteBuf>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let rows = session.execute_unpaged(SELECT, (&nav.visitor_id,)).await?.into_rows_result()?;
    let (segment, score) = match rows.maybe_first_row::<(String, f64)>()? {
        Some(found) => found,
        None => ("unknown".to_string(), 0.0),
    };
    let event_id = Uuid::parse_str(&nav.event_id)?;
    let values = (&nav.visitor_id, CqlTimestamp(nav.event_time), event_id, &nav.page.url, &segment, score);
    session.execute_unpaged(INSERT, values).await?;
    Ok(())
}

fn commit(consumer: &StreamConsumer, topic: &str, progress: &Mutex<Progress>, mode: CommitMode) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in progress.lock().unwrap().tracker.positions() {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    }
    if list.count() > 0 {
        consumer.commit(&list, mode).expect("the offsets can be committed");
    }
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::read();
    let schema = Schema::parse_str(&arguments.schema).expect("the schema is one");
    let session = SessionBuilder::new().known_node(&arguments.cql).build().await.expect("the database answers");
    let session = Arc::new(CachingSession::from(session, STATEMENTS_CACHED));
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        .set("group.id", &arguments.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .expect("the consumer can be made");
    consumer.subscribe(&[&arguments.topic]).expect("the topic can be subscribed to");

    let progress = Arc::new(Mutex::new(Progress {
        tracker: Tracker::default(),
        latencies: Latencies::new(arguments.records),
    }));
    let permits = Arc::new(Semaphore::new(arguments.in_flight));
    let mut committed = Instant::now();
    for _ in 0..arguments.records {
        let message = consumer.recv().await.expect("a record");
        let fetched = Instant::now();
        let (partition, offset) = (message.partition(), message.offset());
        let mut datum = &message.payload().expect("a value")[FRAME..];
        #[allow(deprecated)]
        let value = from_avro_datum(&schema, &mut datum, None).expect("a datum");
        let nav: Navigation<String, ByteBuf> = from_value(&value).expect("a Navigation");
        let permit = permits.clone().acquire_owned().await.unwrap();
        progress.lock().unwrap().tracker.started(partition, offset);
        let (session, shared) = (session.clone(), progress.clone());
        tokio::spawn(async move {
            process(&session, &nav).await.expect("the database answers");
            let mut all = shared.lock().unwrap();
            all.tracker.done(partition, offset);
            all.latencies.add(fetched);
            drop(permit);
        });
        if committed.elapsed() >= COMMIT_EVERY {
            commit(&consumer, &arguments.topic, &progress, CommitMode::Async);
            committed = Instant::now();
        }
    }
    let _all = permits.acquire_many(arguments.in_flight as u32).await.unwrap();
    commit(&consumer, &arguments.topic, &progress, CommitMode::Sync);
    progress.lock().unwrap().latencies.print();
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap().recv().await;
}
