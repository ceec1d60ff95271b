"""The relay on a cluster whose answers go wrong. At every commit each record below it has its output; what is given is
relayed in the end; a process either goes on or ends and says why.

Deadlines are generous and prove only that nothing hangs.
"""

from __future__ import annotations

import pathlib
import re
from typing import Callable, Iterator

import pytest

from . import fake_kafka, lanes
from .fake_kafka import FETCH, GROUP_REQUESTS, INIT_PRODUCER_ID, OFFSET_COMMIT, PRODUCE, FakeKafka
from .relay import DEAD_LETTERS, GROUP, OUTPUTS, PARTITIONS, SOURCE, TOPICS, Relay, until

SETTLES_S = 20.0
# drain_timeout of the relay (3 s), the deadline of a commit (10 s), that of leaving (5 s), and a slow machine.
STOPS_S = 3.0 + 10.0 + 5.0 + 7.0
Made = Callable[..., Relay]


@pytest.fixture
def folder(run_folder: pathlib.Path, request) -> pathlib.Path:
    return run_folder / re.sub(r"\W+", "-", request.node.name)


@pytest.fixture
def cluster(folder: pathlib.Path) -> Iterator[FakeKafka]:
    for each in fake_kafka.started(folder, TOPICS):
        each.check(SOURCE, OUTPUTS, DEAD_LETTERS)
        yield each


@pytest.fixture
def relay(folder: pathlib.Path, cluster: FakeKafka) -> Iterator[Made]:
    """Makes a process of the relay, with settings of the section `kafka`; it ends with the test."""
    made: list[Relay] = []

    def make(**kafka) -> Relay:
        made.append(Relay(folder / f"relay-{len(made)}", cluster, **kafka))
        return made[-1]

    yield make
    for each in made:
        each.member.kill()


def assert_commits_are_right(line: Relay) -> dict:
    """No commit passed a record without an output, or went back. Returns the state."""
    state = line.cluster.state()
    passed = sum(each["count"] for each in state["violations"])
    assert not state["unread"], "the logs could not be read"
    assert not passed, f"commits passed {passed} of {state['source']} records: {state['violations'][:3]}"
    assert state["backwards"] == 0 and state["made_up"] == 0
    return state


def assert_settled(line: Relay, within_s: float = SETTLES_S) -> dict:
    """It runs, and everything it was given is relayed and committed. Returns the state."""
    settled = line.settles(within_s)
    state = assert_commits_are_right(line)
    assert line.running, f"it ended\n{line.member.account()}"
    assert settled and not state["missing"], (
        f"of {state['source']} records {state['lag']} are not committed, {len(state['missing'])} without output"
        f"\n{line.member.account()}"
    )
    return state


def assert_goes_on_or_ends(line: Relay) -> None:
    """The lag returns to 0, at once or in the next life of a process that ended with a message; it does not stand."""
    settled = line.settles(SETTLES_S)
    state = assert_commits_are_right(line)
    if line.running:
        assert settled, f"it stands: {state['lag']} records are not committed\n{line.member.account()}"
    else:
        assert line.stop().exit_code == 1 and "level=error" in line.log, line.member.process.log_tail()
        line.start()
    assert_settled(line)
    assert line.stop().exit_code == 0


def test_moves_and_broken_connections_lose_nothing(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    cluster.rule("cut", OFFSET_COMMIT, count=1)
    for partition in range(PARTITIONS):
        line.give_steadily(slices=5, size=6)
        cluster.rule("cut", PRODUCE, topic=OUTPUTS, count=1)
        cluster.move_leader(SOURCE, partition)
        cluster.move_leader(OUTPUTS, partition)
    cluster.move_coordinator(GROUP)
    line.give_steadily(slices=5, size=6)
    assert_settled(line)
    assert line.stop().exit_code == 0


# Produce requests


def refuse_first_batches(cluster: FakeKafka, topic: str, code: int) -> list[int]:
    """The first batch of each partition is refused while those behind it are under way and are accepted."""
    parts = range(PARTITIONS)
    return [cluster.rule("refuse", PRODUCE, topic=topic, partition=to, code=code, count=1, ms=100) for to in parts]


@pytest.mark.parametrize(
    "code", lanes.first(fake_kafka.NOT_LEADER, fake_kafka.NOT_ENOUGH_REPLICAS, fake_kafka.STORAGE_ERROR)
)
def test_refused_first_batches_are_not_taken_for_acknowledged(cluster: FakeKafka, relay: Made, code: int):
    line = relay()
    refused = refuse_first_batches(cluster, OUTPUTS, code)
    line.start()
    line.give_steadily(slices=60, size=6)  # small batches: the client has several of a partition under way
    assert_settled(line)
    assert all(cluster.applied(each) == 1 for each in refused)
    assert line.stop().exit_code == 0


def test_refused_first_dead_letters_are_not_taken_for_acknowledged(cluster: FakeKafka, relay: Made):
    line = relay()
    refused = refuse_first_batches(cluster, DEAD_LETTERS, fake_kafka.NOT_LEADER)
    line.start()
    for _ in range(30):  # fewer than the dead-letter rate limit counts
        line.give(6)
        line.give(3, "dead_letter")
    state = assert_settled(line)
    assert all(cluster.applied(each) == 1 for each in refused)
    assert state["by_topic"][DEAD_LETTERS] == 90
    assert line.stop().exit_code == 0


# Fetch answers


def fetch_with(cluster: FakeKafka, do: str, **selected) -> int:
    """The next answer with records of partition 0 is another, once."""
    return cluster.rule(do, FETCH, topic=SOURCE, partition=0, count=1, **selected)


@pytest.mark.parametrize("policy", lanes.first("latest", "earliest", "fail"))
def test_a_flipped_byte_of_a_fetch_answer_loses_nothing(cluster: FakeKafka, relay: Made, policy: str):
    line = relay(on_offset_out_of_range=policy)
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    flipped = fetch_with(cluster, "corrupt", at=fake_kafka.BATCH_HEADER_BYTES + 20)
    line.give_steadily(slices=30, size=5, partition=0, pause_s=0.05)
    assert until(lambda: cluster.applied(flipped) == 1, SETTLES_S)
    state = assert_settled(line)
    assert state["repeated"] == 0
    assert line.stop().exit_code == 0


# What stands outside of the checksum: the batch's base offset, its length, and the number of its format.
@pytest.mark.parametrize("at", [0, 7, 10, 16, 17], ids="byte-{}".format)
def test_a_damaged_batch_header_loses_nothing(cluster: FakeKafka, relay: Made, at: int):
    line = relay(on_offset_out_of_range="latest")
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    damaged = fetch_with(cluster, "corrupt", at=at)
    line.give_steadily(slices=30, size=5, partition=0, pause_s=0.03)
    assert until(lambda: cluster.applied(damaged) == 1, SETTLES_S)
    assert_settled(line)
    assert line.stop().exit_code == 0


def test_gaps_of_transactions_are_skipped(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    line.give_in_transactions(transactions=25, size=3, partition=0)
    assert_settled(line)
    assert line.log.count("it is read again") == 0, "a hole that another reading confirms is no damage"
    assert line.stop().exit_code == 0


@pytest.mark.parametrize("policy", lanes.first("latest", "earliest", "fail"))
def test_out_of_range_for_an_offset_that_exists_loses_nothing(cluster: FakeKafka, relay: Made, policy: str):
    line = relay(on_offset_out_of_range=policy)
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    denied = fetch_with(cluster, "answer", code=fake_kafka.OFFSET_OUT_OF_RANGE)
    line.give_steadily(slices=30, size=5, partition=0, pause_s=0.05)
    assert until(lambda: cluster.applied(denied) == 1, SETTLES_S)
    assert_settled(line)
    assert line.stop().exit_code == 0


# Commits and the coordinator


def test_an_unanswered_commit_holds_up_neither_the_next_nor_a_stop(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    held = cluster.rule("hold", OFFSET_COMMIT, count=1)
    line.give(60)
    assert until(lambda: cluster.applied(held) == 1, SETTLES_S)
    line.give(60)
    assert_settled(line)  # far below the client's 60 s for an answer
    assert line.stop().exit_code == 0
    line.start()
    line.give(6)
    assert assert_settled(line)["repeated"] == 0


def test_an_unanswered_commit_holds_up_a_rebalance_for_the_clients_timeout_only(cluster: FakeKafka, relay: Made):
    line, other = relay(properties={"socket.timeout.ms": "5000", "session.timeout.ms": "10000"}), relay()
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    held = cluster.rule("hold", OFFSET_COMMIT, count=1)
    line.give(60)
    assert until(lambda: cluster.applied(held) == 1, SETTLES_S)
    other.member.start()
    other.wait_for_partitions(PARTITIONS // 2)
    line.wait_for_partitions(PARTITIONS // 2)
    line.give(60)
    assert assert_settled(line)["repeated"] == 0
    assert line.stop().exit_code == 0 and other.stop().exit_code == 0


def test_a_stop_with_an_unanswered_commit_repeats_nothing(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    held = cluster.rule("hold", OFFSET_COMMIT, count=1)
    line.give(60)
    assert until(lambda: cluster.applied(held) == 1, SETTLES_S)
    line.member.process.ask_to_stop()
    assert until(lambda: not line.running, STOPS_S), line.member.account()
    assert line.stop().exit_code == 0
    assert_commits_are_right(line)
    line.start()
    line.give(6)
    assert assert_settled(line)["repeated"] == 0


def test_a_stop_without_a_coordinator_ends_in_time_and_reports_uncommitted_records(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    silent = cluster.rule("hold", *GROUP_REQUESTS)
    line.give(60)
    assert until(lambda: cluster.state()["outputs"] == line.written, SETTLES_S)
    line.member.process.ask_to_stop()
    assert until(lambda: not line.running, STOPS_S), line.member.account()
    assert line.stop().exit_code == 1, line.member.process.log_tail()
    assert re.search(r"event=stopped .*uncommitted=[1-9]", line.log), line.member.process.log_tail()
    cluster.drop_rule(silent)
    line.start()
    assert_settled(line)


@pytest.mark.parametrize(
    ("protocol", "code"), [("classic", fake_kafka.ILLEGAL_GENERATION), ("consumer", fake_kafka.FENCED_MEMBER_EPOCH)]
)
def test_a_fenced_commit_is_followed_by_others_or_by_the_end(cluster: FakeKafka, relay: Made, protocol: str, code: int):
    line = relay(protocol=protocol)
    line.start()
    fenced = cluster.rule("refuse", OFFSET_COMMIT, code=code, count=1)
    line.give(60)
    assert until(lambda: cluster.applied(fenced) == 1, SETTLES_S)
    line.give(60)
    assert_goes_on_or_ends(line)


# The producer


def test_an_out_of_order_sequence_does_not_stop_the_engine_for_ever(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    line.give(60)
    assert line.settles(SETTLES_S)
    refused = cluster.rule("refuse", PRODUCE, topic=OUTPUTS, code=fake_kafka.OUT_OF_ORDER_SEQUENCE, count=1)
    line.give_steadily(slices=20, size=6)
    assert until(lambda: cluster.applied(refused) == 1, SETTLES_S)
    assert_goes_on_or_ends(line)


@pytest.mark.parametrize(
    "code", lanes.first(fake_kafka.CLUSTER_AUTHORIZATION_FAILED, fake_kafka.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
)
def test_a_refused_producer_id_does_not_stop_the_engine_for_ever(cluster: FakeKafka, relay: Made, code: int):
    line = relay()
    refused = cluster.rule("refuse", INIT_PRODUCER_ID, code=code, count=1)
    line.give(60)
    line.start_or_end()
    assert until(lambda: cluster.applied(refused) == 1, SETTLES_S)
    assert_goes_on_or_ends(line)


# Where reading begins


def test_with_latest_records_produced_between_two_runs_are_read(cluster: FakeKafka, relay: Made):
    line = relay(start_from="latest")
    line.start()
    assert line.stop().exit_code == 0
    line.give(12)
    line.start()
    line.give(12)
    assert_settled(line)


def test_with_latest_new_partitions_are_read_from_their_beginning(cluster: FakeKafka, relay: Made):
    line = relay(start_from="latest")
    line.start()
    line.give(12)
    assert_settled(line)
    cluster.add_partitions(SOURCE, PARTITIONS + 2)
    for partition in (PARTITIONS, PARTITIONS + 1):
        line.give(5, partition=partition)
    line.wait_for_partitions(PARTITIONS + 2)
    for partition in (PARTITIONS, PARTITIONS + 1):
        line.give(5, partition=partition)
    assert_settled(line)


# What a processor does


@pytest.mark.parametrize(("action", "number"), [("throw", 0), ("throw_foreign", 0), ("emit", 1_001), ("fail", 0)])
def test_a_record_whose_processor_always_throws_is_a_dead_letter(
    cluster: FakeKafka, relay: Made, action: str, number: int
):
    line = relay()
    line.start()
    line.give(30)
    line.give(1, action, number)
    line.give(30)
    state = assert_settled(line)
    assert state["repeated"] == 0 and state["by_topic"][DEAD_LETTERS] == 1
    life = line.stop()
    assert life.exit_code == 0 and life.accounting["dead_lettered"] == 1 and life.accounting["done"] == 60


def test_a_record_whose_processor_throws_once_succeeds_on_retry(cluster: FakeKafka, relay: Made):
    line = relay()
    line.start()
    line.give(30)
    line.give(1, "throw_first", 1)
    line.give(30)
    state = assert_settled(line)
    assert state["repeated"] == 0 and state["by_topic"][DEAD_LETTERS] == 0
    life = line.stop()
    assert life.exit_code == 0 and life.accounting["done"] == 61
