"""The example application in sixty lines of Python: slow, simple, and there to prove the comparison right."""

from __future__ import annotations

from cassandra.concurrent import execute_concurrent
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from .expectations import FEED_TOPIC, KEYSPACE, UNKNOWN
from .navigation import EXAMPLE, SOURCE_TOPIC

GROUP = "stand-in"
IDLE_S = 30.0
BATCH = 500
OFFSET_BITS = 21  # the write timestamp of last_seen is event time, then offset: 42 bits of milliseconds, 21 of offset


def process(kafka: KafkaAccess, cassandra: CassandraAccess, registry: RegistryAccess, count: int) -> None:
    """Processes the next `count` records of the source topic and commits them."""
    session = cassandra.session()
    session.set_keyspace(KEYSPACE)
    select = session.prepare("SELECT segment, score FROM visitor_profile WHERE visitor_id = ?")
    insert_visit = session.prepare(
        "INSERT INTO visit (visitor_id, event_time, event_id, partner_id, kind, url, country, segment, score, products)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    insert_last_seen = session.prepare(
        "INSERT INTO last_seen (visitor_id, event_time, event_id, kind, url) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
    )
    decode = AvroDeserializer(registry.client())
    encode = AvroSerializer(registry.client(), (EXAMPLE / "schemas" / "enriched_visit.avsc").read_text())
    feed = SerializationContext(FEED_TOPIC, MessageField.VALUE)
    producer = Producer(kafka.client_config({"enable.idempotence": True}))
    config = {"group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(kafka.client_config(config))
    consumer.subscribe([SOURCE_TOPIC])
    taken = 0
    while taken < count:
        messages = consumer.consume(min(BATCH, count - taken), IDLE_S)
        if not messages:
            raise RuntimeError(f"no more records after {taken} of {count}")
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
            milliseconds = int(nav["event_time"].timestamp() * 1000)
            written_at = milliseconds << OFFSET_BITS | message.offset()
            writes.append((insert_last_seen, visit | {"[timestamp]": written_at}))
            producer.produce(FEED_TOPIC, encode(visit, feed), nav["visitor_id"])
        execute_concurrent(session, [(statement, _bound(statement, values)) for statement, values in writes])
        if producer.flush(IDLE_S):
            raise RuntimeError("the feed was not acknowledged")
        consumer.commit(asynchronous=False)
    consumer.close()
    session.cluster.shutdown()


def _bound(statement, values: dict) -> tuple:
    return tuple(values[column.name] for column in statement.column_metadata)
