"""What the example application must have made of the records it was given, and whether it did.

Computed from the records in plain Python; nothing here shares code with the product. The rules:

* visit: one row per record, with the visitor's profile, or segment "unknown" and score 0.0 where there is none;
* last_seen: the visitor's first row is its newest visit, newest by event time, then by the order in the topic;
* enriched-visits: one record per record, keyed by visitor.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import io
import json
import struct
import uuid
from typing import Iterable

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

KEYSPACE = "millrace_navigation"
FEED_TOPIC = "enriched-visits"
UNKNOWN = ("unknown", 0.0)
SHOWN_MAX = 5
FETCH_SIZE = 2_000
CONSUME_TIMEOUT_S = 60.0
EPOCH = datetime.datetime(1970, 1, 1)
VISIT_COLUMNS = ("partner_id", "kind", "url", "country", "segment", "score", "products")
LAST_SEEN_COLUMNS = ("event_time", "event_id", "kind", "url")


@dataclasses.dataclass
class Effects:
    """Everything the application writes, by key. Times are milliseconds since 1970."""

    visit: dict[tuple[str, int, uuid.UUID], tuple] = dataclasses.field(default_factory=dict)
    last_seen: dict[str, tuple] = dataclasses.field(default_factory=dict)
    feed: dict[uuid.UUID, dict] = dataclasses.field(default_factory=dict)
    feed_repeats: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    feed_conflicts: list[uuid.UUID] = dataclasses.field(default_factory=list)  # copies that differ from the first


@dataclasses.dataclass
class Comparison:
    """One table or topic. `duplicated` counts surplus copies; a row that was written twice cannot be seen."""

    name: str
    expected: int
    found: int
    lost: int = 0
    wrong: int = 0
    unexpected: int = 0
    duplicated: int = 0
    differences: list[str] = dataclasses.field(default_factory=list)

    def note(self, difference: str) -> None:
        if len(self.differences) < SHOWN_MAX:
            self.differences.append(difference)


@dataclasses.dataclass
class Report:
    parts: list[Comparison]

    def total(self, what: str) -> int:
        return sum(getattr(part, what) for part in self.parts)

    @property
    def complete(self) -> bool:
        """Nothing lost, wrong or made up; repeats in the topic are allowed, as after a crash."""
        return self.total("lost") + self.total("wrong") + self.total("unexpected") == 0

    @property
    def exact(self) -> bool:
        """Complete, and nothing repeated."""
        return self.complete and self.total("duplicated") == 0

    def __str__(self) -> str:
        lines = []
        for part in self.parts:
            counts = ", ".join(
                f"{getattr(part, what)} {what}" for what in ("lost", "wrong", "unexpected", "duplicated")
            )
            lines.append(f"{part.name}: {part.found} of {part.expected}; {counts}")
            lines += [f"  {difference}" for difference in part.differences]
        return "\n".join(lines)


def profile_of(visitor_id: str) -> tuple[str, float] | None:
    """(segment, score) in visitor_profile; one visitor in ten has no row."""
    number = int(visitor_id.lstrip("v"))
    return (f"segment-{number % 7}", (number % 1000) / 1000.0) if number % 10 != 0 else None


def expect(records: Iterable[dict]) -> Effects:
    """The effects of all these records, given in the order in which they were written."""
    effects = Effects()
    for record in records:
        visitor, when, event = record["visitor_id"], record["event_time"], record["event_id"]
        kind, url, products = record["kind"], record["page"]["url"], len(record["products"])
        segment, score = profile_of(visitor) or UNKNOWN
        country = record["geo"]["country"] if record["geo"] else None
        row = (record["partner_id"], kind, url, country, segment, score, products)
        effects.visit[visitor, when, event] = row
        if visitor not in effects.last_seen or when >= effects.last_seen[visitor][0]:
            effects.last_seen[visitor] = (when, event, kind, url)
        effects.feed[event] = {
            "key": visitor,
            "event_id": event,
            "event_time": when,
            "visitor_id": visitor,
            "partner_id": record["partner_id"],
            "kind": kind,
            "url": url,
            "segment": segment,
            "score": score,
            "basket_value": sum(int(p["price"] * 100) * p["quantity"] for p in record["products"]) / 100.0,
            "products": products,
        }
    return effects


def read(kafka: KafkaAccess, cassandra: CassandraAccess, registry: RegistryAccess) -> Effects:
    """What is in the tables and in the downstream topic now."""
    effects = Effects()
    session = cassandra.session()
    session.default_fetch_size = FETCH_SIZE
    for row in session.execute(f"SELECT * FROM {KEYSPACE}.visit"):
        key = (row.visitor_id, _milliseconds(row.event_time), row.event_id)
        effects.visit[key] = tuple(getattr(row, column) for column in VISIT_COLUMNS)
    for row in session.execute(f"SELECT * FROM {KEYSPACE}.last_seen PER PARTITION LIMIT 1"):
        effects.last_seen[row.visitor_id] = (_milliseconds(row.event_time), row.event_id, row.kind, row.url)
    session.cluster.shutdown()
    _read_feed(kafka, registry, effects)
    return effects


def compare(expected: Effects, found: Effects) -> Report:
    visit = _compare_rows("visit", VISIT_COLUMNS, expected.visit, found.visit)
    last_seen = _compare_rows("last_seen", LAST_SEEN_COLUMNS, expected.last_seen, found.last_seen)
    columns = ("key", *(name for name in next(iter(expected.feed.values()), {}) if name != "key"))
    feed = _compare_rows(
        FEED_TOPIC,
        columns,
        {event: tuple(record.values()) for event, record in expected.feed.items()},
        {event: tuple(record.get(column) for column in columns) for event, record in found.feed.items()},
    )
    for event, repeats in found.feed_repeats.items():
        feed.duplicated += repeats
        feed.note(f"duplicated {event}: {repeats + 1} copies")
    for event in found.feed_conflicts:
        feed.wrong += 1
        feed.note(f"wrong {event}: its copies differ")
    return Report([visit, last_seen, feed])


def _compare_rows(name: str, columns: tuple, expected: dict, found: dict) -> Comparison:
    result = Comparison(name, len(expected), len(found))
    for key, row in expected.items():
        if key not in found:
            result.lost += 1
            result.note(f"lost {_shown(key)}")
        elif found[key] != row:
            result.wrong += 1
            different = (
                f"{column} is {actual!r}, must be {right!r}"
                for column, right, actual in zip(columns, row, found[key])
                if actual != right
            )
            result.note(f"wrong {_shown(key)}: {'; '.join(different)}")
    for key in found.keys() - expected.keys():
        result.unexpected += 1
        result.note(f"unexpected {_shown(key)}")
    return result


def _read_feed(kafka: KafkaAccess, registry: RegistryAccess, effects: Effects) -> None:
    client = registry.client()
    schemas: dict[int, object] = {}
    config = {"group.id": "verifier", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(kafka.client_config(config | {"isolation.level": "read_committed"}))
    try:
        partitions = consumer.list_topics(FEED_TOPIC, timeout=CONSUME_TIMEOUT_S).topics[FEED_TOPIC].partitions
        consumer.assign([TopicPartition(FEED_TOPIC, partition, 0) for partition in partitions])
        unfinished = set(partitions)
        while unfinished:
            messages = consumer.consume(1_000, CONSUME_TIMEOUT_S)
            if not messages:
                raise RuntimeError(f"{FEED_TOPIC} could not be read to its end within {CONSUME_TIMEOUT_S:.0f} s")
            for message in messages:
                if message.error():
                    if message.error().code() != KafkaError._PARTITION_EOF:
                        raise RuntimeError(f"{FEED_TOPIC}: {message.error().str()}")
                    unfinished.discard(message.partition())
                else:
                    _note_feed(message, client, schemas, effects)
    finally:
        consumer.close()


def _note_feed(message, client, schemas: dict[int, object], effects: Effects) -> None:
    value = message.value()
    magic, schema_id = struct.unpack(">bI", value[:5])
    if magic != 0:
        raise RuntimeError(f"{FEED_TOPIC} {message.partition()}/{message.offset()}: magic byte {magic}")
    if schema_id not in schemas:
        schemas[schema_id] = fastavro.parse_schema(json.loads(client.get_schema(schema_id).schema_str))
    datum = io.BytesIO(value[5:])
    record = fastavro.schemaless_reader(datum, schemas[schema_id], None)
    if datum.read(1):
        raise RuntimeError(f"{FEED_TOPIC} {message.partition()}/{message.offset()}: bytes after the Avro datum")
    event = record["event_id"]
    record["event_time"] = _milliseconds(record["event_time"].replace(tzinfo=None))
    record["key"] = message.key().decode() if message.key() is not None else None
    if event in effects.feed:
        effects.feed_repeats[event] += 1
        if effects.feed[event] != record:
            effects.feed_conflicts.append(event)
    else:
        effects.feed[event] = record


def _milliseconds(moment: datetime.datetime) -> int:
    past = moment - EPOCH
    return past.days * 86_400_000 + past.seconds * 1_000 + past.microseconds // 1_000


def _shown(key: object) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)
