"""Three real brokers: leaders move while the relay starts, and every committed record has its output.

The order of events is the one in which an idempotent producer can report records that are in no log: a broker refuses
the first batch of a new producer, because it has not yet learned that it leads the partition, and accepts the next one,
which is already under way (a broker accepts any first sequence number of a producer that it does not know). The next
leader is paused (SIGSTOP, like a long garbage collection) while it is elected, and the first batches wait at it. When
it is resumed it refuses them; it has learned of its election when it reads what follows.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import time
import zlib
from typing import Iterable, Iterator

import pytest
import yaml
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from confluent_kafka.schema_registry import Schema

from servers.fleet import Fleet
from servers.kafka import Kafka
from servers.leaders import Leaders
from servers.registry import Registry

from . import chaos
from .relay import DEAD_LETTERS, GROUP, OUTPUTS, PARTITIONS, SOURCE, Relay
from .watch import Group

SEED = int(os.environ.get("MILLRACE_FAULTS_SEED", 0)) or chaos.default_seed()
LIVES = 3
WORKERS = 3  # producers per life
SETTLES_S = 60.0
READ_TIMEOUT_S = 60.0
REACHES_NEXT_LEADER_S = 0.6  # for a batch to be refused by the last leader, wait its backoff and reach the next one
APART_S = 0.1  # batches of their own
SETTINGS = {
    # The pause must end before the session does.
    "broker.session.timeout.ms": "9000",
    # A batch that waits for its replicas holds up those behind it on its connection, as on a busy cluster.
    "replica.fetch.min.bytes": "1000000",
    "replica.fetch.wait.max.ms": "60",
}


class Brokers:
    """Three brokers and a registry, as Relay wants its cluster. The source is on one broker, which is never paused."""

    def __init__(self, kafka: Kafka, registry: Registry):
        self.kafka = kafka
        self.leaders = Leaders(kafka)
        self.bootstrap = kafka.bootstrap
        self.registry_url = registry.url
        self._registry = registry.client()
        self.never_paused = self.leaders.of_quorum(by=1)
        places = [[self.never_paused]] * PARTITIONS
        source = NewTopic(SOURCE, num_partitions=PARTITIONS, replica_assignment=places)
        admin = kafka.admin()  # its requests die with it
        admin.create_topics([source], operation_timeout=READ_TIMEOUT_S)[SOURCE].result()
        for topic in (OUTPUTS, DEAD_LETTERS):
            kafka.create_topic(topic, PARTITIONS, config={"min.insync.replicas": "2"})
        self._group = Group(kafka.client_config(), GROUP, [SOURCE])
        self._group.patiently(self._group.committed)  # the first request creates the topic of the offsets
        self._producer = Producer(kafka.client_config({"linger.ms": 0, "log_level": 0}))

    def register(self, subject: str, schema: str) -> int:
        return self._registry.register_schema(subject, Schema(schema, "AVRO"))

    def produce(self, topic: str, records: Iterable[tuple[int, str, bytes]]) -> None:
        for partition, key, value in records:
            self._producer.produce(topic, value, key, partition)
        assert self._producer.flush(READ_TIMEOUT_S) == 0

    def state(self) -> dict:
        ends = self._group.patiently(self._group.ends)
        lag = self._group.patiently(lambda: self._group.lag(ends))
        return {"lag": lag, "source": sum(ends.values())}

    def committed_keys(self) -> list[str]:
        """Of the records that the group will not read again."""
        committed = self._group.patiently(self._group.committed)
        return [key for partition, offset, key in self.read(SOURCE) if offset < committed[SOURCE, partition]]

    def read(self, topic: str) -> Iterator[tuple[int, int, str]]:
        """Partition, offset and key of each record."""
        settings = {"group.id": "verifier", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer(self.kafka.client_config(settings))
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        unfinished = PARTITIONS
        try:
            while unfinished:
                messages = consumer.consume(1_000, READ_TIMEOUT_S)
                assert messages, f"{topic} could not be read within {READ_TIMEOUT_S:.0f} s"
                for message in messages:
                    if not message.error():
                        yield message.partition(), message.offset(), message.key().decode()
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        unfinished -= 1
                    else:
                        raise RuntimeError(f"{topic}: {message.error().str()}")
        finally:
            consumer.close()


class Line(Relay):
    """The relay with several producers, and records whose outputs go where the test wants them."""

    def __init__(self, folder: pathlib.Path, brokers: Brokers):
        super().__init__(folder, brokers)
        self.config["engine"]["workers"] = WORKERS
        self._config_file.write_text(yaml.safe_dump(self.config))
        self._names = iter(range(1_000_000))

    def give_for(self, outputs: Iterable[int]) -> list[str]:
        """One record in each partition of the source for each of these partitions of the outputs."""
        rows = [(at, self._key_for(to), self._value("relay", 0)) for to in outputs for at in range(PARTITIONS)]
        self.cluster.produce(SOURCE, rows)
        self.written += len(rows)
        return [key for _, key, _ in rows]

    def _key_for(self, partition: int) -> str:
        """The client's default partitioner goes by the checksum of the key."""
        return next(key for key in map("k{}".format, self._names) if zlib.crc32(key.encode()) % PARTITIONS == partition)


@dataclasses.dataclass
class Move:
    """Of one life: the partitions of the outputs that move to the paused broker, and one that it leads all the time."""

    paused: int
    last: int
    moving: list[int]
    staying: int

    @staticmethod
    def drawn(dice: random.Random, brokers: Brokers) -> "Move":
        busy = {brokers.never_paused, brokers.leaders.of_quorum(by=brokers.never_paused)}
        paused = dice.choice(sorted({1, 2, 3} - busy))
        last = dice.choice(sorted({1, 2, 3} - {paused}))
        *moving, staying = dice.sample(range(PARTITIONS), 3)
        return Move(paused, last, moving, staying)

    def order(self, leader: int) -> list[int]:
        return [leader, *sorted({1, 2, 3} - {leader})]


@pytest.fixture
def brokers(run_folder: pathlib.Path, fleet: Fleet) -> Iterator[Brokers]:
    kafka = Kafka(run_folder / "leader-moves-kafka", brokers=3, settings=SETTINGS)
    try:
        kafka.launch()  # they start side by side
        (registry,) = fleet.need("registry")
        kafka.wait_ready()
        yield Brokers(kafka, registry)
    finally:
        kafka.kill()


def prepare(brokers: Brokers, move: Move) -> None:
    """The broker that will be paused leads the staying partition only."""
    leaders, by = brokers.leaders, brokers.never_paused
    offsets = {partition: move.order(by) for partition in leaders.of("__consumer_offsets")}
    leaders.move("__consumer_offsets", offsets, by)
    outputs = {partition: move.order(move.last) for partition in move.moving}
    leaders.move(OUTPUTS, outputs | {move.staying: move.order(move.paused)}, by)


def elect_while_paused(brokers: Brokers, move: Move, line: Line) -> list[str]:
    """Returns the keys of the first outputs, which wait at the paused broker until it is resumed."""
    node = move.paused - 1
    orders = {partition: move.order(move.paused) for partition in move.moving}
    brokers.leaders.prefer(OUTPUTS, orders, brokers.never_paused)
    brokers.kafka.pause(node)
    try:
        brokers.leaders.elect(OUTPUTS, move.moving, brokers.never_paused)
        first = line.give_for(move.moving)
        time.sleep(REACHES_NEXT_LEADER_S)
        line.give_for([move.staying])
        for _ in range(2):
            time.sleep(APART_S)
            line.give_for(move.moving)
        time.sleep(APART_S)
    finally:
        brokers.kafka.resume(node)
    return first


def overtaken(brokers: Brokers, first: list[str]) -> int:
    """How many of the first outputs are behind a later one of the same partition of the source, and so of the same
    producer: a broker refused them and accepted what came after them. A producer with one batch under way has none."""
    begun = int(first[-1][1:]) + 1  # the numbers of keys only grow
    places = {key: partition for partition, _, key in brokers.read(SOURCE)}
    later: set[tuple[int, int]] = set()
    count = 0
    for partition, _, key in brokers.read(OUTPUTS):
        if int(key[1:]) >= begun:
            later.add((partition, places[key]))
        elif key in first and (partition, places[key]) in later:
            count += 1
    return count


def test_every_committed_record_has_its_output_when_the_next_leader_is_paused_while_it_is_elected(
    brokers: Brokers, run_folder: pathlib.Path
):
    dice = random.Random(f"leaders-{SEED}")
    line = Line(run_folder / "leader-moves", brokers)
    try:
        for life in range(1, LIVES + 1):
            move = Move.drawn(dice, brokers)
            prepare(brokers, move)
            line.start()
            line.give_for([move.staying])
            assert line.settles(SETTLES_S), line.member.account()
            first = elect_while_paused(brokers, move, line)
            assert line.settles(SETTLES_S), line.member.account()
            assert line.stop().exit_code == 0
            outputs = [key for _, _, key in brokers.read(OUTPUTS)]
            committed = brokers.committed_keys()
            lost = set(committed) - set(outputs)
            repeated = len(outputs) - len(set(outputs))
            print(f"life {life}: {move}: {repeated} repeated, {overtaken(brokers, first)} overtaken, {len(lost)} lost")
            assert len(committed) == line.written
            assert not lost, f"seed {SEED}: {len(lost)} lost, {len(lost & set(first))} of {len(first)} first outputs"
    finally:
        line.member.kill()
