"""The example application in a page of Python: slow, simple, and there to prove the comparison right.

A second implementation of the same rules: when it and the comparison agree, a difference is the application's.
"""

from __future__ import annotations

from typing import Callable

from cassandra.concurrent import execute_concurrent
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from .expectations import FEED_TOPIC, KEYSPACE, UNKNOWN
from .navigation import DATA, SOURCE_TOPIC

FLUSH_TIMEOUT_S = 30.0
POLL_S = 0.5
BATCH = 200


def process(
    kafka: KafkaAccess,
    cassandra: CassandraAccess,
    registry: RegistryAccess,
    group: str,
    enough: Callable[[int], bool],
) -> None:
    """Processes batches of the source topic, each committed when it is done, until `enough(records taken)`."""
    session = cassandra.session()
    session.set_keyspace(KEYSPACE)
    select = session.prepare("SELECT segment, score FROM visitor_profile WHERE visitor_id = ?")
    insert_visit = session.prepare(
        "INSERT INTO visit (visitor_id, event_time, event_id, partner_id, kind, url, country, segment, score, products)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    insert_last_seen = session.prepare(
        "INSERT INTO last_seen (visitor_id, event_time, source_offset, event_id, kind, url) VALUES (?, ?, ?, ?, ?, ?)"
    )
    decode = AvroDeserializer(registry.client())
    encode = AvroSerializer(registry.client(), (DATA / "enriched_visit.avsc").read_text())
    feed = SerializationContext(FEED_TOPIC, MessageField.VALUE)
    producer = Producer(kafka.client_config({"enable.idempotence": True}))
    config = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(kafka.client_config(config))
    consumer.subscribe([SOURCE_TOPIC])
    taken = 0
    while not enough(taken):
        messages = consumer.consume(BATCH, POLL_S)
        if not messages:
            continue
        taken += len(messages)
        navs = [decode(message.value(), None) for message in messages]
        profiles = execute_concurrent(session, [(select, (nav["visitor_id"],)) for nav in navs])
        writes = []
        for message, nav, (_, found) in zip(messages, navs, profiles):
            segment, score = found.one() or UNKNOWN
            visit = {
                "visitor_id": nav["visitor_id"],
                "event_time": nav["event_time"],
                "event_id": nav["event_id"],
                "partner_id": nav["partner_id"],
                "kind": nav["kind"],
                "url": nav["page"]["url"],
                "segment": segment,
                "score": score,
                "products": len(nav["products"]),
                "basket_value": int(sum(100 * p["price"] * p["quantity"] for p in nav["products"])) / 100.0,
            }
            writes.append((insert_visit, visit | {"country": nav["geo"]["country"] if nav["geo"] else None}))
            writes.append((insert_last_seen, visit | {"source_offset": message.offset()}))
            producer.produce(FEED_TOPIC, encode(visit, feed), nav["visitor_id"])
        execute_concurrent(session, [(statement, _bound(statement, values)) for statement, values in writes])
        if producer.flush(FLUSH_TIMEOUT_S):
            raise RuntimeError("the feed was not acknowledged")
        consumer.commit(asynchronous=False)
    consumer.close()
    session.cluster.shutdown()


def _bound(statement, values: dict) -> tuple:
    return tuple(values[column.name] for column in statement.column_metadata)
