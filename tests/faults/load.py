"""Records of the example, written steadily until stop, and their expected effects."""

from __future__ import annotations

import threading
import time
from typing import Iterator

from confluent_kafka import Consumer, KafkaError, TopicPartition

from integration import expectations, navigation
from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from . import verdict
from .verdict import Place

CHUNK = 100
READ_TIMEOUT_S = 60.0


class Load(threading.Thread):
    """Prepares each record's profile before it writes the record."""

    def __init__(
        self, servers: tuple[KafkaAccess, CassandraAccess, RegistryAccess], seed: int, rate: float, transaction: int = 0
    ):
        super().__init__(name="load", daemon=True)
        self.seed = seed
        self.rate = rate
        self.transaction = transaction  # records; 0: none
        self.written = 0
        self.failure: BaseException | None = None
        self._kafka, self._cassandra, self._registry = servers
        self._over = threading.Event()

    def run(self) -> None:
        session = self._cassandra.session()
        try:
            self.written = navigation.write(self._kafka, self._registry, self._records(session), self.rate, self.transaction)
        except BaseException as failure:
            self.failure = failure
        finally:
            session.cluster.shutdown()

    def finish(self) -> int:
        """Stops; returns how many records Kafka has acknowledged."""
        self._over.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.written

    def _records(self, session) -> Iterator[dict]:
        generator = navigation.Generator(self.seed)
        while not self._over.is_set():
            chunk = list(generator.records(CHUNK))
            navigation.write_profiles(session, chunk)
            yield from chunk


def effects_of(
    servers: tuple[KafkaAccess, CassandraAccess, RegistryAccess], seed: int, produced: int
) -> verdict.Effects:
    """The offline check: everything that was written, against an independent computation."""
    expected = expectations.expect(navigation.Generator(seed).records(produced))
    found = expectations.read(*servers)
    report = expectations.compare(expected, found)
    places = _places(servers[0], seed, produced)
    ids = (record["event_id"] for record in navigation.Generator(seed).records(produced))
    repeats = verdict.repeats_by_offset(ids, places.__getitem__, found.feed_repeats)
    return verdict.Effects(
        produced,
        report.total("lost"),
        report.total("wrong"),
        report.total("unexpected"),
        repeats,
        [difference for part in report.parts for difference in part.differences if not difference.startswith("dup")],
    )


def _places(kafka: KafkaAccess, seed: int, produced: int) -> list[tuple[Place, int]]:
    """Where in the source topic each record is. Within a partition the order is that of production."""
    by_key: dict[str, list[tuple[Place, int]]] = {}
    for key, place, offset in _source(kafka):
        by_key.setdefault(key, []).append((place, offset))
    queues = {key: iter(where) for key, where in by_key.items()}
    places = [next(queues[record["visitor_id"]]) for record in navigation.Generator(seed).records(produced)]
    if sum(map(len, by_key.values())) != produced:
        raise RuntimeError(f"the source topic does not hold the {produced} records that were written")
    return places


def _source(kafka: KafkaAccess) -> Iterator[tuple[str, Place, int]]:
    topic = navigation.SOURCE_TOPIC
    consumer = Consumer(
        kafka.client_config({"group.id": "verifier", "enable.auto.commit": False, "enable.partition.eof": True})
    )
    try:
        unfinished = set(consumer.list_topics(topic, timeout=READ_TIMEOUT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unfinished])
        deadline = time.monotonic() + READ_TIMEOUT_S
        while unfinished:
            messages = consumer.consume(1_000, 5.0)
            if messages:
                deadline = time.monotonic() + READ_TIMEOUT_S
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic} could not be read within {READ_TIMEOUT_S:.0f} s")
            for message in messages:
                if not message.error():
                    yield message.key().decode(), (topic, message.partition()), message.offset()
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(message.partition())
                else:
                    raise RuntimeError(f"{topic}: {message.error().str()}")
    finally:
        consumer.close()
