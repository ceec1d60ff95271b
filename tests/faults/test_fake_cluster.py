"""The fake cluster itself: its rules do what they say, and its check finds a commit that is wrong."""

from __future__ import annotations

import pathlib
import re
from typing import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from . import fake_kafka
from .fake_kafka import FETCH, METADATA, OFFSET_COMMIT, PRODUCE, FakeKafka
from .relay import until

TOPICS = {"source": 1, "outputs": 1}
ANSWERS_S = 10.0


@pytest.fixture
def cluster(run_folder: pathlib.Path, request) -> Iterator[FakeKafka]:
    for each in fake_kafka.started(run_folder / re.sub(r"\W+", "-", request.node.name), TOPICS):
        each.check("source", "outputs")
        yield each


@pytest.fixture
def consumer(cluster: FakeKafka) -> Iterator[Consumer]:
    settings = {"check.crcs": True, "enable.auto.commit": False, "auto.offset.reset": "error"}
    made = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "test"} | settings)
    made.assign([TopicPartition("source", 0, 0)])
    yield made
    made.close()


def produced(cluster: FakeKafka, key: str, **properties) -> KafkaError | None:
    """What became of one record of `outputs`; the client does not try again."""
    answers = []
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "retries": 0, "message.timeout.ms": 1_500} | properties)
    producer.produce("outputs", b"value", key.encode(), on_delivery=lambda error, _: answers.append(error))
    assert producer.flush(ANSWERS_S) == 0
    return answers[0]


def commit(consumer: Consumer, offset: int) -> None:
    consumer.commit(offsets=[TopicPartition("source", 0, offset)], asynchronous=False)


def test_a_commit_past_a_record_without_output_is_found(cluster: FakeKafka, consumer: Consumer):
    cluster.produce("source", [(0, key, b"value") for key in "abcd"])
    cluster.produce("outputs", [(0, "a", b"value"), (0, "c", b"value"), (0, "c", b"value"), (0, "other", b"value")])
    commit(consumer, 1)
    assert not cluster.state()["violations"]
    commit(consumer, 3)
    state = cluster.state()
    assert [(each["partition"], each["committed"], each["missing"]) for each in state["violations"]] == [(0, 3, [1])]
    assert (state["source"], state["outputs"], state["lag"]) == (4, 4, 1)
    assert (state["missing"], state["repeated"], state["made_up"]) == (["b", "d"], 1, 1)
    commit(consumer, 2)
    assert cluster.state()["backwards"] == 1


def test_a_refused_commit_has_no_effect(cluster: FakeKafka, consumer: Consumer):
    cluster.produce("source", [(0, "a", b"value")])
    cluster.rule("refuse", OFFSET_COMMIT, code=fake_kafka.ILLEGAL_GENERATION, count=1)
    with pytest.raises(Exception, match="ILLEGAL_GENERATION"):
        commit(consumer, 1)
    state = cluster.state()
    assert not state["violations"] and state["lag"] == 1


def test_a_refused_request_has_no_effect_and_one_with_a_lost_answer_has(cluster: FakeKafka):
    assert produced(cluster, "a") is None
    cluster.rule("refuse", PRODUCE, topic="outputs", code=fake_kafka.STORAGE_ERROR, count=1)
    assert produced(cluster, "b").code() == fake_kafka.STORAGE_ERROR
    cluster.rule("lose", PRODUCE, topic="outputs", count=1)
    assert produced(cluster, "c").code() == KafkaError._MSG_TIMED_OUT
    assert cluster.state()["outputs"] == 2
    assert [(each.get("did", ""), each["code"]) for each in cluster.requests(PRODUCE)] == [
        ("", 0),
        ("refuse", fake_kafka.STORAGE_ERROR),
        ("lose", 0),
    ]


def test_a_connection_is_closed_before_or_after_the_effect(cluster: FakeKafka):
    cluster.rule("drop", PRODUCE, count=1)
    assert produced(cluster, "a") is not None
    cluster.rule("cut", PRODUCE, count=1)
    assert produced(cluster, "b") is not None
    assert cluster.state()["outputs"] == 1


def test_a_rule_lets_the_first_pass_and_is_withdrawn(cluster: FakeKafka):
    refused = cluster.rule("refuse", PRODUCE, code=fake_kafka.STORAGE_ERROR, skip=1)
    assert produced(cluster, "a") is None
    assert produced(cluster, "b") is not None
    assert cluster.applied(refused) == 1
    cluster.drop_rule(refused)
    assert produced(cluster, "c") is None
    cluster.rule("refuse", PRODUCE, topic="source", code=fake_kafka.STORAGE_ERROR)
    assert produced(cluster, "d") is None
    with pytest.raises(Exception, match="a rule does one of"):
        cluster.rule("surprise", PRODUCE)


def test_a_held_request_is_overtaken_by_the_next(cluster: FakeKafka):
    held = cluster.rule("hold", PRODUCE, count=1, ms=500)
    answers: list[str] = []
    one_each = {"linger.ms": 0, "batch.num.messages": 1, "message.timeout.ms": 10_000}
    producer = Producer({"bootstrap.servers": cluster.bootstrap} | one_each)
    for key in ("held", "next"):
        producer.produce("outputs", b"value", key.encode(), on_delivery=lambda _, of: answers.append(of.key().decode()))
    assert producer.flush(ANSWERS_S) == 0
    assert answers == ["next", "held"] and cluster.applied(held) == 1
    assert cluster.state()["outputs"] == 2


@pytest.mark.parametrize(
    ("do", "code", "error"),
    [("corrupt", 0, KafkaError._BAD_MSG), ("answer", fake_kafka.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)],
)
def test_one_fetch_answer_is_altered(cluster: FakeKafka, consumer: Consumer, do: str, code: int, error: int):
    altered = cluster.rule(do, FETCH, count=1, code=code, at=fake_kafka.BATCH_HEADER_BYTES)
    cluster.produce("source", [(0, "a", b"v" * 100)])
    errors = []

    def read() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.error():
            errors.append(message.error().code())
        return message is not None and not message.error()

    assert until(lambda: read() or bool(errors), ANSWERS_S)
    assert errors == [error] and cluster.applied(altered) == 1


def test_leaders_coordinators_and_partitions_are_answered(cluster: FakeKafka):
    before = cluster.move_leader("outputs", 0)
    assert cluster.move_leader("outputs", 0) != before
    assert produced(cluster, "a", retries=5) is None
    assert cluster.move_coordinator("test") != cluster.move_coordinator("test")
    cluster.add_partitions("outputs", 3)
    cluster.produce("outputs", [(2, "b", b"value")])
    assert cluster.state()["outputs"] == 2
    assert len(cluster.requests(METADATA)) > 0
