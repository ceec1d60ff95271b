"""Our Kafka source and sink on a real broker: transactions, topics that are recreated, members that were blocked, limits of
a topic."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from typing import Callable, Iterator

import pytest
from confluent_kafka import Producer

from servers.kafka import Kafka
from servers.state import BUILD

WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
TRANSACTION_TIMEOUT_S = 30.0


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


class Driver:
    """The driver as a process of its own."""

    def __init__(self, kafka: Kafka, topic: str, **options):
        path = BUILD / "dev" / "tests" / "integration" / "kafka_driver"
        if not path.exists():
            raise FileNotFoundError(f"{path} was not built; ./dev test integration builds it")
        given = {"bootstrap": kafka.bootstrap, "group": unique("group"), "topics": [topic]} | options
        self._process = subprocess.Popen(
            [str(path), json.dumps(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str, **parameters) -> dict:
        self._process.stdin.write(json.dumps({"do": what} | parameters) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def until(self, holds: Callable[[dict], bool]) -> dict:
        """The first state of which it holds."""
        ends = time.monotonic() + WITHIN_S
        while not holds(state := self.ask("state")):
            assert time.monotonic() < ends, f"it never held: {json.dumps(state)[-3000:]}"
            time.sleep(0.05)
        return state

    def until_records(self, count: int) -> dict:
        return self.until(lambda state: len(state["records"]) >= count)

    def end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        finally:
            self._process.kill()


Made = Callable[..., Driver]


@pytest.fixture
def driver(kafka: Kafka) -> Iterator[Made]:
    made: list[Driver] = []

    def make(topic: str, **options) -> Driver:
        made.append(Driver(kafka, topic, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def topic(kafka: Kafka) -> str:
    name = unique("seams")
    kafka.create_topic(name)
    return name


def produce(kafka: Kafka, topic: str, values: list[str]) -> None:
    producer = Producer(kafka.client_config({"linger.ms": 0}))
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(TRANSACTION_TIMEOUT_S) == 0


def transactional(kafka: Kafka) -> Producer:
    producer = Producer(kafka.client_config({"transactional.id": unique("transactions"), "linger.ms": 0}))
    producer.init_transactions(TRANSACTION_TIMEOUT_S)
    return producer


def begin(producer: Producer, topic: str, values: list[str]) -> None:
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush(TRANSACTION_TIMEOUT_S)


def values_of(state: dict) -> list[str]:
    return [record[3] for record in state["records"]]


def events_of(state: dict, kind: str) -> list[list]:
    return [event for event in state["events"] if event[0] == kind]


# Transactions


def at(position: int) -> Callable[[dict], bool]:
    return lambda state: state["partitions"].get("0") == {"position": position, "end": position}


def test_the_read_position_passes_the_marker_of_an_idle_transaction(kafka: Kafka, topic: str, driver: Made):
    producer = transactional(kafka)
    begin(producer, topic, ["a", "b"])
    producer.commit_transaction(TRANSACTION_TIMEOUT_S)
    reader = driver(topic)
    state = reader.until(at(3))  # two records and the marker
    assert values_of(state) == ["a", "b"]
    begin(producer, topic, ["aborted"])
    producer.abort_transaction(TRANSACTION_TIMEOUT_S)
    assert values_of(reader.until(at(5))) == ["a", "b"]


def test_a_reader_that_starts_before_a_marker_reads_past_it(kafka: Kafka, topic: str, driver: Made):
    group = unique("group")
    producer = transactional(kafka)
    begin(producer, topic, ["a", "b"])
    producer.commit_transaction(TRANSACTION_TIMEOUT_S)
    first = driver(topic, group=group)
    first.until_records(2)
    first.ask("commit")
    first.until(lambda state: events_of(state, "committed") == [["committed", 0, 2, "ok"]])
    first.end()
    assert values_of(driver(topic, group=group).until(at(3))) == []


def test_records_of_an_open_transaction_are_not_readable(kafka: Kafka, topic: str, driver: Made):
    produce(kafka, topic, ["a", "b"])
    reader = driver(topic)
    reader.until(at(2))
    producer = transactional(kafka)
    begin(producer, topic, ["c", "d"])
    # The client learns of them, and the end of what may be read stays where it was.
    produce(kafka, topic, ["behind"])
    assert values_of(reader.until(at(2))) == ["a", "b"]
    producer.commit_transaction(TRANSACTION_TIMEOUT_S)
    assert values_of(reader.until(at(6))) == ["a", "b", "c", "d", "behind"]


def test_the_read_position_is_never_beyond_a_record_that_waits(kafka: Kafka, topic: str, driver: Made):
    reader = driver(topic)
    reader.ask("take", max=0)
    producer = transactional(kafka)
    begin(producer, topic, ["a", "b"])
    producer.commit_transaction(TRANSACTION_TIMEOUT_S)
    state = reader.until(lambda state: state["partitions"].get("0", {}).get("end") == 3)
    assert state["records"] == [] and state["partitions"]["0"]["position"] == 0
    reader.ask("take", max=1)
    assert values_of(reader.until(at(3))) == ["a", "b"]


# Topics that are deleted and created again


def recreate(kafka: Kafka, topic: str, values: list[str]) -> None:
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    produce(kafka, topic, values)


OLD = [f"old-{i}" for i in range(5)]
NEW = [f"new-{i}" for i in range(20)]  # the log is longer than the position in the former one


def test_a_recreated_topic_is_read_from_its_beginning_by_policy(kafka: Kafka, topic: str, driver: Made):
    produce(kafka, topic, OLD)
    reader = driver(topic, on_offset_out_of_range="earliest", topic_check_ms=200)
    reader.until_records(len(OLD))
    recreate(kafka, topic, NEW)
    state = reader.until(lambda state: set(NEW) <= set(values_of(state)))
    assert values_of(state)[: len(OLD)] == OLD
    assert values_of(state)[-len(NEW) :] == NEW, "each in its order after the beginning"
    rewind = events_of(state, "rewind")
    assert len(rewind) == 1 and rewind[0][3] == 0 and rewind[0][2] >= len(OLD)
    assert any("deleted and created again" in event[2] for event in events_of(state, "error"))
    reader.ask("commit")
    state = reader.until(lambda state: bool(events_of(state, "committed")))
    assert events_of(state, "committed")[-1] == ["committed", 0, len(NEW), "ok"]


def test_a_recreated_topic_with_a_shorter_log_is_read_from_its_beginning(kafka: Kafka, topic: str, driver: Made):
    produce(kafka, topic, OLD)
    reader = driver(topic, on_offset_out_of_range="earliest")  # the refused offset makes it look at the id
    reader.until_records(len(OLD))
    recreate(kafka, topic, NEW[:2])
    state = reader.until_records(len(OLD) + 2)
    assert values_of(state) == OLD + NEW[:2]
    assert events_of(state, "rewind") == [["rewind", 0, len(OLD), 0]]
    assert any("deleted and created again" in event[2] for event in events_of(state, "error"))


def test_a_recreated_topic_stops_the_source_without_a_commit(kafka: Kafka, topic: str, driver: Made):
    produce(kafka, topic, OLD)
    reader = driver(topic, topic_check_ms=200)
    reader.until_records(len(OLD))
    recreate(kafka, topic, NEW)
    state = reader.until(lambda state: bool(events_of(state, "fatal")))
    fatal = events_of(state, "fatal")[0]
    assert fatal[1] == "offset_out_of_range" and "deleted and created again" in fatal[2]
    assert ["lost", [0]] in state["events"], "nothing of the former log can be committed"
    reader.ask("commit")
    time.sleep(0.5)
    assert events_of(reader.ask("state"), "committed") == []


# Members of the group


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_blocked_member_joins_again(kafka: Kafka, topic: str, driver: Made, protocol: str):
    produce(kafka, topic, ["before"])
    properties = {"max.poll.interval.ms": "6000"}
    if protocol == "classic":
        properties["session.timeout.ms"] = "6000"
    reader = driver(topic, protocol=protocol, properties=properties)
    reader.until_records(1)
    reader.ask("commit")
    reader.until(lambda state: bool(events_of(state, "committed")))
    reader.ask("block", ms=9_000)
    produce(kafka, topic, ["after"])
    state = reader.until(lambda state: "after" in values_of(state))
    assert events_of(state, "fatal") == []
    assert ["lost", [0]] in state["events"], "the partitions were another member's to have"
    reader.ask("commit")
    state = reader.until(lambda state: len(events_of(state, "committed")) > 1)
    assert events_of(state, "committed")[-1] == ["committed", 0, 2, "ok"]


# What a topic accepts


def test_the_topic_decides_how_large_a_record_may_be(kafka: Kafka, driver: Made):
    large, small = unique("large"), unique("small")
    kafka.create_topic(large, config={"max.message.bytes": "5000000"})
    kafka.create_topic(small)
    writer = driver(large)
    assert writer.ask("produce", topic=large, bytes=3_000_000) == {}
    assert writer.ask("produce", topic=large, bytes=6_000_000)["error"] == "produce_rejected"
    assert writer.ask("produce", topic=small, bytes=3_000_000)["error"] == "produce_rejected"
    assert writer.ask("produce", topic=small, bytes=10, headers=300) == {}
