"""The example's world without the example: reference records, tables and topics, and how far the application got."""

from __future__ import annotations

import decimal
import pathlib
import random
import re
import time
import uuid
from typing import Callable, Iterable, Iterator

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from .expectations import FEED_TOPIC, KEYSPACE, profile_of

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "navigation"
SOURCE_TOPIC = "navigation"
DEAD_LETTER_TOPIC = "navigation-dlq"
TOPICS = {SOURCE_TOPIC: 20, FEED_TOPIC: 20, DEAD_LETTER_TOPIC: 1}  # partitions
CREATED_HEADER = "millrace-created-us"  # microseconds since 1970 as decimal text
PREPARED_COUNT = 20_000  # `servers up --example` makes the profiles of this many records

LATE_MS_MAX = 60_000
QUEUED_MAX = 20_000
FLUSH_TIMEOUT_S = 60.0
METADATA_TIMEOUT_S = 30.0
COORDINATOR_NOT_READY = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)

WORDS = (
    "shoes winter red blue discount promo kids home garden phone laptop camera audio sport outdoor beauty books toys "
    "sale new"
).split()


class Generator:
    """Reference records: the same for the same seed, as dicts that the Avro serializer takes.

    Visitors follow a Pareto law (hot keys). `odd_share` of the records get another event time, and nothing else:
    half of them come up to a minute late, the other half have the very millisecond of their visitor's newest visit.
    """

    def __init__(self, seed: int = 42, odd_share: float = 0.1):
        self._random = random.Random(seed)
        self._odd_random = random.Random(f"odd-{seed}")
        self._odd_share = odd_share
        self._newest: dict[str, int] = {}
        self._made = 0

    def records(self, count: int) -> Iterator[dict]:
        """The next `count` records."""
        for _ in range(count):
            record = self._navigation(self._made)
            self._made += 1
            visitor, newest = record["visitor_id"], self._newest
            if self._odd_random.random() < self._odd_share:
                late = record["event_time"] - self._odd_random.randint(0, LATE_MS_MAX)
                record["event_time"] = self._odd_random.choice([late, newest.get(visitor, late)])
            newest[visitor] = max(record["event_time"], newest.get(visitor, 0))
            yield record

    def _page(self) -> dict:
        r = self._random
        path = "/".join(r.choices(WORDS, k=r.randint(1, 4)))
        return {
            "url": f"https://www.shop{r.randint(1, 40)}.example/{path}?id={r.randint(1, 10**7)}",
            "title": r.choice([None, " ".join(r.choices(WORDS, k=4)).title()]),
            "referrer": r.choice([None, None, "https://search.example/?q=" + r.choice(WORDS)]),
            "query": {
                key: r.choice(WORDS) for key in r.sample(["q", "utm", "page", "sort", "filter"], r.randint(0, 3))
            },
        }

    def _product(self) -> dict:
        r = self._random
        return {
            "sku": f"SKU-{r.randint(1, 10**6):07d}",
            "name": r.choice([None, " ".join(r.choices(WORDS, k=3))]),
            "price": decimal.Decimal(r.randint(100, 99_999)) / 100,
            "quantity": r.randint(1, 4),
            "categories": r.choices(WORDS, k=r.randint(0, 3)),
            "attributes": {
                key: r.choice([None, True, r.randint(0, 10**9), r.random(), r.choice(WORDS)])
                for key in r.sample(["size", "color", "stock", "rating", "brand"], r.randint(0, 3))
            },
        }

    def _device(self) -> dict:
        r = self._random
        return {
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{r.randint(90, 140)}.0.0.0 Safari/537.36",
            "ip": r.getrandbits(128).to_bytes(16, "big"),
            "screen": r.choice([None, {"width": 1920, "height": 1080}]),
            "viewport": r.choice([None, {"width": 1280, "height": 720}]),
            "languages": r.sample(["fr-FR", "en-US", "de-DE", "es-ES"], r.randint(1, 3)),
        }

    def _geo(self) -> dict:
        r = self._random
        return {
            "country": r.choice(["FR", "DE", "US", "ES"]),
            "city": r.choice([None, "Paris", "Lyon"]),
            "lat": r.uniform(-90, 90),
            "lon": r.uniform(-180, 180),
            "accuracy": r.choice([None, 12.5]),
        }

    def _campaign(self) -> dict:
        r = self._random
        return {
            "source": "newsletter",
            "medium": r.choice([None, "email"]),
            "name": "autumn",
            "landing": r.choice([None, self._page()]),
        }

    def _navigation(self, i: int) -> dict:
        # The order of the draws is the contract: it makes the same seed mean the same records everywhere.
        r = self._random
        visitor = int(r.paretovariate(1.1) * 1000) % 1_000_000
        return {
            "visitor_id": f"v{visitor:08d}",
            "event_id": uuid.UUID(int=r.getrandbits(128)),
            "event_time": 1_760_000_000_000 + i * 5,
            "received_time": 1_760_000_000_000_000 + i * 5_003,
            "partner_id": r.randint(1, 300),
            "kind": r.choice(["PAGE_VIEW"] * 6 + ["CLICK", "ADD_TO_CART", "PURCHASE", "SEARCH", "CUSTOM"]),
            "page": self._page(),
            "device": self._device(),
            "geo": r.choice([None, self._geo()]),
            "consents": {
                key: r.choice(["UNKNOWN", "GRANTED", "DENIED"]) for key in ["analytics", "ads", "personalisation"]
            },
            "products": [self._product() for _ in range(r.choice([0, 0, 1, 1, 2, 3, 5]))],
            "campaign": r.choice([None, self._campaign()]),
            "custom": {
                f"k{j}": r.choice([None, True, 5, 10**12, 2.5, "value", "x" * 20, ["a", "b", "c"]])
                for j in range(r.randint(0, 6))
            },
            "session": {
                "id": uuid.UUID(int=r.getrandbits(128)).hex,
                "sequence": r.randint(0, 50),
                "is_new": r.random() < 0.2,
                "started": 1_760_000_000_000 + i,
            },
            "tags": r.choices(WORDS, k=r.randint(0, 5)),
        }


def prepare(kafka: KafkaAccess, cassandra: CassandraAccess, records: Iterable[dict]) -> None:
    """The keyspace, the tables, the profiles of these records' visitors, and the topics; what exists is kept."""
    session = cassandra.session()
    try:
        ddl = re.sub(r"--.*", "", (EXAMPLE / "schema.cql").read_text())
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


def write(kafka: KafkaAccess, registry: RegistryAccess, records: Iterable[dict], rate: float | None = None) -> int:
    """Writes the records as a production service would, keyed by visitor, and returns how many Kafka acknowledged.

    The order within a visitor is the order of `records`. `rate` is records per second; None is as fast as it goes.
    """
    serialize = AvroSerializer(registry.client(), (EXAMPLE / "schemas" / "navigation.avsc").read_text())
    context = SerializationContext(SOURCE_TOPIC, MessageField.VALUE)
    producer = Producer(kafka.client_config({"enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"}))
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
        created = [(CREATED_HEADER, str(time.time_ns() // 1_000))]
        value = serialize(record, context)
        producer.produce(SOURCE_TOPIC, value, record["visitor_id"], headers=created, on_delivery=delivered)
        producer.poll(0)
        written += 1
    unsent = producer.flush(FLUSH_TIMEOUT_S)
    if unsent or failures:
        raise RuntimeError(f"{unsent} records unsent, {len(failures)} refused: {failures[:3]}")
    return written


def lag(kafka: KafkaAccess, group: str, topic: str = SOURCE_TOPIC) -> int:
    """Records of the topic that the group has not committed yet."""
    consumer = Consumer(kafka.client_config({"group.id": group}))  # asks in the group's name and never joins it
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
    """A broker that has just started, or met its first group, asks to come back."""
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
