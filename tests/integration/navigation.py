"""The example's environment without the example: reference records, tables and topics, and the application's progress."""

from __future__ import annotations

import itertools
import pathlib
import random
import re
import time
from typing import Callable, Iterable, Iterator

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from reference_records import ReferenceRecords
from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from .expectations import FEED_TOPIC, KEYSPACE, profile_of

DATA = pathlib.Path(__file__).resolve().parents[2] / "libs" / "workload" / "data"
SOURCE_TOPIC = "navigation"
DEAD_LETTER_TOPIC = "navigation-dlq"
TOPICS = {SOURCE_TOPIC: 20, FEED_TOPIC: 20, DEAD_LETTER_TOPIC: 1}  # partitions
CREATED_HEADER = "millrace-created-us"  # microseconds since 1970 as decimal text
PREPARED_COUNT = 20_000  # `servers up --example` makes the profiles of this many records

LATE_MS_MAX = 60_000
QUEUED_MAX = 20_000
FLUSH_TIMEOUT_S = 60.0
METADATA_TIMEOUT_S = 30.0
TRANSACTION_TIMEOUT_S = 60
TRANSACTION_OPEN_MS_MAX = 600_000
PAUSE_S = 0.1
COORDINATOR_NOT_READY = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


class Generator:
    """Reference records: the same for the same seed, as dicts that the Avro serializer takes.

    Visitors follow a Pareto law (hot keys). `odd_share` of the records get another event time, and nothing else:
    half of them come up to a minute late, the other half have the very millisecond of their visitor's newest visit.
    """

    def __init__(self, seed: int = 42, odd_share: float = 0.1):
        self._records = ReferenceRecords(seed)
        self._odd_random = random.Random(f"odd-{seed}")
        self._odd_share = odd_share
        self._newest: dict[str, int] = {}
        self._made = 0

    def records(self, count: int) -> Iterator[dict]:
        """The next `count` records."""
        for _ in range(count):
            record = self._records.record(self._made)
            self._made += 1
            visitor, newest = record["visitor_id"], self._newest
            if self._odd_random.random() < self._odd_share:
                late = record["event_time"] - self._odd_random.randint(0, LATE_MS_MAX)
                record["event_time"] = self._odd_random.choice([late, newest.get(visitor, late)])
            newest[visitor] = max(record["event_time"], newest.get(visitor, 0))
            yield record


def prepare(kafka: KafkaAccess, cassandra: CassandraAccess, records: Iterable[dict]) -> None:
    """The keyspace, the tables, the profiles of these records' visitors, and the topics; what exists is kept."""
    session = cassandra.session()
    try:
        ddl = re.sub(r"--.*", "", (DATA / "tables.cql").read_text())
        for statement in filter(None, (part.strip() for part in ddl.split(";"))):
            session.execute(statement)
        write_profiles(session, records)
    finally:
        session.cluster.shutdown()
    existing = kafka.admin().list_topics(timeout=METADATA_TIMEOUT_S).topics
    for topic, partitions in TOPICS.items():
        if topic not in existing:
            kafka.create_topic(topic, partitions)


def write_profiles(session: Session, records: Iterable[dict]) -> None:
    """What visitor_profile must hold before these records are read."""
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.visitor_profile (visitor_id, segment, score) VALUES (?, ?, ?)")
    profiles = {record["visitor_id"]: profile_of(record["visitor_id"]) for record in records}
    rows = [(visitor, *profile) for visitor, profile in profiles.items() if profile]
    execute_concurrent_with_args(session, insert, rows, concurrency=100)


def reset(kafka: KafkaAccess, cassandra: CassandraAccess) -> None:
    """Removes everything prepare() made and everything that was written to it."""
    session = cassandra.session()
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
    session.cluster.shutdown()
    existing = kafka.admin().list_topics(timeout=METADATA_TIMEOUT_S).topics
    for topic in TOPICS:
        if topic in existing:
            kafka.delete_topic(topic)


def write(
    kafka: KafkaAccess, registry: RegistryAccess, records: Iterable[dict], rate: float | None = None, transaction: int = 0
) -> int:
    """Writes the records as a production service would, keyed by visitor, and returns how many Kafka acknowledged.

    The order within a visitor is the order of `records`. `rate` is records per second; None is as fast as it goes.
    `transaction`: that many records are one transaction; what Kafka aborts is written again.
    """
    serialize = AvroSerializer(registry.client(), (DATA / "navigation.avsc").read_text())
    context = SerializationContext(SOURCE_TOPIC, MessageField.VALUE)
    config = {"enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"}
    if transaction:
        config |= {"transactional.id": "navigation", "transaction.timeout.ms": TRANSACTION_OPEN_MS_MAX}
    producer = Producer(kafka.client_config(config))
    if transaction:
        return _write_transactions(producer, lambda record: serialize(record, context), records, rate, transaction)
    failures: list[str] = []

    def delivered(error, _message) -> None:
        if error:
            failures.append(error.str())

    written = 0
    started = time.monotonic()
    for record in records:
        while len(producer) >= QUEUED_MAX:
            producer.poll(0.1)
        if rate and (ahead := written / rate - (time.monotonic() - started)) > 0:
            producer.poll(ahead)
        _produce(producer, record, serialize(record, context), on_delivery=delivered)
        written += 1
    unsent = producer.flush(FLUSH_TIMEOUT_S)
    if unsent or failures:
        raise RuntimeError(f"{unsent} records unsent, {len(failures)} refused: {failures[:3]}")
    return written


def _produce(producer: Producer, record: dict, value: bytes, **options) -> None:
    created = [(CREATED_HEADER, str(time.time_ns() // 1_000))]
    producer.produce(SOURCE_TOPIC, value, record["visitor_id"], headers=created, **options)
    producer.poll(0)


def _write_transactions(
    producer: Producer, serialize: Callable[[dict], bytes], records: Iterable[dict], rate: float | None, size: int
) -> int:
    producer.init_transactions(TRANSACTION_TIMEOUT_S)
    written = 0
    started = time.monotonic()
    source = iter(records)
    while part := list(itertools.islice(source, size)):
        while not _commits(producer, serialize, part):
            time.sleep(PAUSE_S)
        written += len(part)
        if rate and (ahead := written / rate - (time.monotonic() - started)) > 0:
            time.sleep(ahead)
    return written


def _commits(producer: Producer, serialize: Callable[[dict], bytes], part: list[dict]) -> bool:
    """False: aborted. Readers of what is committed never see these records."""
    try:
        producer.begin_transaction()
        for record in part:
            _produce(producer, record, serialize(record))
        _patiently(producer.commit_transaction)
        return True
    except KafkaException as failure:
        if not failure.args[0].txn_requires_abort():
            raise
        _patiently(producer.abort_transaction)
        return False


def _patiently(end: Callable[[float], None]) -> None:
    """The end of a transaction may be asked for again: a broker that restarts takes its time."""
    deadline = time.monotonic() + 5 * FLUSH_TIMEOUT_S
    while True:
        try:
            return end(TRANSACTION_TIMEOUT_S)
        except KafkaException as failure:
            if not failure.args[0].retriable() or time.monotonic() > deadline:
                raise


def lag(kafka: KafkaAccess, group: str, topic: str = SOURCE_TOPIC) -> int:
    """Records of the topic that the group has not committed yet."""
    consumer = Consumer(kafka.client_config({"group.id": group}))  # reads the group's offsets and never joins it
    try:
        partitions = consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic].partitions
        positions = [TopicPartition(topic, partition) for partition in partitions]
        missing = 0
        for position in _committed(consumer, positions):
            low, high = consumer.get_watermark_offsets(position, timeout=METADATA_TIMEOUT_S)
            missing += high - max(position.offset, low)
        return missing
    finally:
        consumer.close()


def _committed(consumer: Consumer, positions: list[TopicPartition]) -> list[TopicPartition]:
    """A broker that has just started, or serves its first group, answers "retry"."""
    deadline = time.monotonic() + METADATA_TIMEOUT_S
    while True:
        try:
            return consumer.committed(positions, timeout=METADATA_TIMEOUT_S)
        except KafkaException as failure:
            if failure.args[0].code() not in COORDINATOR_NOT_READY or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def size(kafka: KafkaAccess, topic: str) -> int:
    """Records in the topic now."""
    consumer = Consumer(kafka.client_config({"group.id": "size"}))
    try:
        partitions = consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic].partitions
        ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=METADATA_TIMEOUT_S)
            for partition in partitions
        ]
        return sum(high - low for low, high in ends)
    finally:
        consumer.close()


def wait_until_committed(
    kafka: KafkaAccess, group: str, timeout_s: float, still_working: Callable[[], bool] = lambda: True
) -> None:
    """Returns when the group's lag is 0. Raises when the time is over or `still_working` says no."""
    deadline = time.monotonic() + timeout_s
    while (missing := lag(kafka, group)) > 0:
        if not still_working():
            raise RuntimeError(f"the application ended with {missing} records not committed")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{missing} records were not committed within {timeout_s:.0f} s")
        time.sleep(0.2)
