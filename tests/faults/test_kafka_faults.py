"""The relay on brokers that fail: kinds of requests × what happens to them × once or for a while.

After each scenario: no commit has passed a record without an output, everything is relayed and committed, nothing is a
dead letter. The process goes on; where a scenario says so it may end instead, with a message, and the next one goes on.
Deadlines are generous and prove only that nothing hangs.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Iterator

import pytest

from . import lanes
from .fake_kafka import (
    CONSUMER_GROUP_HEARTBEAT, FENCED_MEMBER_EPOCH, FETCH, FIND_COORDINATOR, HEARTBEAT, INIT_PRODUCER_ID, JOIN_GROUP,
    LEAVE_GROUP, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, PRODUCE, SYNC_GROUP, FakeKafka,
)  # fmt: skip
from .relay import DEAD_LETTERS, GROUP, OUTPUTS, PARTITIONS, SOURCE, TOPICS, Relay, until

LANES = 5
RECORDS = 36
APPLIES_S = 20.0
SETTLES_S = 40.0
ENDS_S = 1.0  # after an answer that requires a person; not later than the next heartbeats
SOME_TIME_MS = 2_000
HEARTBEAT_MS = 200
CLASSIC, CONSUMER = "classic", "consumer"
REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID = 27, 25

# Short deadlines of the client: a lost answer costs one of them.
PROPERTIES = {
    "topic.metadata.refresh.interval.ms": "500",
    "socket.timeout.ms": "3000",
    "reconnect.backoff.max.ms": "500",
    "retry.backoff.ms": "50",
}
OF_CLASSIC = {"session.timeout.ms": "6000", "heartbeat.interval.ms": str(HEARTBEAT_MS)}
OF_PRODUCER = {"request.timeout.ms": "3000"}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`when`: what makes the process send such requests; see play()."""

    name: str
    lane: str  # the group protocol
    api: int
    fault: dict
    when: str = "records"
    may_end: bool = False

    @property
    def fresh(self) -> bool:
        """Only a group without committed offsets lists the offsets of the log."""
        return self.when == "first start"


@dataclasses.dataclass
class Stage:
    cluster: FakeKafka
    line: Relay

    def close(self) -> None:
        self.line.member.kill()
        self.cluster.stop()


def make(scenario: Scenario, folder: pathlib.Path) -> Stage:
    cluster = FakeKafka(folder, TOPICS, heartbeat_ms=HEARTBEAT_MS)
    cluster.start()
    cluster.check(SOURCE, OUTPUTS, DEAD_LETTERS)
    properties = PROPERTIES | (OF_CLASSIC if scenario.lane == CLASSIC else {})
    line = Relay(folder / "relay", cluster, protocol=scenario.lane, properties=properties, producer_properties=OF_PRODUCER)
    stage = Stage(cluster, line)
    if scenario.when != "first start":
        line.start()
    return stage


def play(stage: Stage, scenario: Scenario) -> None:
    cluster, line = stage.cluster, stage.line
    if not line.running and scenario.when not in ("first start", "start"):
        line.start()
    if scenario.when in ("start", "stop") and line.running:
        line.give(RECORDS)
        assert line.settles(SETTLES_S), line.member.account()
    if scenario.when == "start" and line.running:
        assert line.stop().exit_code == 0, line.member.process.log_tail()
    line.give(RECORDS)
    rule = cluster.rule(scenario.fault["do"], scenario.api, **{k: v for k, v in scenario.fault.items() if k != "do"})
    try:
        causes = [cause(stage, scenario)]

        def applied() -> bool:
            line.give(PARTITIONS)
            return cluster.applied(rule) > 0

        happened = until(lambda: applied() or not line.running, APPLIES_S)
        if scenario.fault.get("for_ms"):
            until(lambda: not line.running, SOME_TIME_MS / 1000)  # then the fault is over
    finally:
        cluster.drop_rule(rule)
        for each in causes:
            if each is not None:
                cluster.drop_rule(each)
    assert happened, f"the rule never applied\n{what_was_asked(stage)}"
    ended = goes_on_or_ends(stage, scenario)
    settled = line.settles(SETTLES_S)
    check(stage, settled)
    assert not ended or scenario.may_end, f"it ended\n{line.member.process.log_tail()}"
    if (scenario.api, scenario.fault["do"]) == (JOIN_GROUP, "hold"):
        # librdkafka waits for this answer until max.poll.interval.ms and asks the group for nothing meanwhile.
        line.stop()
        line.start()


def what_was_asked(stage: Stage) -> str:
    """The last requests of the group's member, and the end of the log."""
    of_group = (JOIN_GROUP, SYNC_GROUP, HEARTBEAT, LEAVE_GROUP, CONSUMER_GROUP_HEARTBEAT, FIND_COORDINATOR)
    asked = [each for each in stage.cluster.requests(-1) if each["api"] in of_group]
    return "\n".join([*(str(each) for each in asked[-20:]), stage.line.member.process.log_tail()])


def cause(stage: Stage, scenario: Scenario) -> int | None:
    """Makes the process send the requests; the rule that does it, if one does."""
    cluster, line = stage.cluster, stage.line
    match scenario.when:
        case "first start" | "start":
            line.start_or_end()
        case "stop":
            life = line.stop()
            assert life.exit_code == 0 or scenario.may_end, line.member.process.log_tail()
            line.start()
        case "rejoin":
            return cluster.rule("refuse", HEARTBEAT, code=REBALANCE_IN_PROGRESS, count=1)
        case "lost":
            if scenario.lane == CLASSIC:
                return cluster.rule("refuse", HEARTBEAT, code=UNKNOWN_MEMBER_ID, count=1)
            return cluster.rule("refuse", CONSUMER_GROUP_HEARTBEAT, code=FENCED_MEMBER_EPOCH, count=1)
        case "coordinator moves":
            cluster.move_coordinator(GROUP)
        case "leaders move":
            for partition in range(PARTITIONS):
                cluster.move_leader(SOURCE, partition)
                cluster.move_leader(OUTPUTS, partition)
    return None


def goes_on_or_ends(stage: Stage, scenario: Scenario) -> bool:
    """Whether it has ended, with a message; then another one runs."""
    line = stage.line
    line.give(RECORDS)
    line.settles(SETTLES_S)
    if line.running and not (scenario.may_end and until(lambda: not line.running, ENDS_S)):
        return False
    life = line.stop()
    said = life.exit_code in (1, 78) and "level=error" in line.log
    assert said, f"exit {life.exit_code}\n{line.member.process.log_tail()}"
    line.start()
    return True


def check(stage: Stage, settled: bool) -> None:
    state, member = stage.cluster.state(), stage.line.member
    assert not state["violations"] and not state["unread"], f"commits passed records: {state['violations'][:3]}"
    assert state["backwards"] == 0 and state["made_up"] == 0, state
    assert stage.line.running, f"it ended\n{member.account()}"
    assert settled and not state["missing"], (
        f"of {state['source']} records {state['lag']} are not committed, {len(state['missing'])} without output"
        f"\n{member.account()}"
    )
    assert state["by_topic"][DEAD_LETTERS] == 0, member.process.log_tail()


# The table

BOTH = (CLASSIC, CONSUMER)
# A person has to act: a process may end with such an answer.
FOR_A_PERSON = (12, 23, 24, 26, 28, 29, 30, 31, 35, 42, 53, 69, 81, 82, 111, 112)
COORDINATOR = (14, 15, 16)
# kind: name, protocols, what causes it, codes
ERRORS = {
    PRODUCE: ("produce", BOTH, "records", (-1, 2, 3, 5, 6, 7, 8, 9, 13, 19, 20, 29, 31, 45, 47, 56, 59, 74, 75, 89)),
    FETCH: ("fetch", BOTH, "records", (-1, 1, 2, 3, 5, 6, 9, 13, 29, 56, 74, 75, 78, 100, 103)),
    OFFSET_COMMIT: ("commit", BOTH, "records", (-1, 3, 7, 12, 28, 29, 30, *COORDINATOR)),
    HEARTBEAT: ("heartbeat", (CLASSIC,), "records", (-1, 15, 16, 22, 25, 27, 30, 82)),
    CONSUMER_GROUP_HEARTBEAT: ("heartbeat", (CONSUMER,), "records", (-1, 25, 30, 42, 110, 111, 112, *COORDINATOR)),
    METADATA: ("metadata", BOTH, "records", (-1, 3, 5, 7, 29)),
    FIND_COORDINATOR: ("find-coordinator", BOTH, "coordinator moves", (-1, 7, 15, 30)),
    OFFSET_FETCH: ("offset-fetch", BOTH, "start", (-1, 3, 7, 25, 29, 30, 88, *COORDINATOR)),
    JOIN_GROUP: ("join", (CLASSIC,), "rejoin", (-1, 15, 16, 22, 23, 25, 26, 27, 30, 79, 81, 82)),
    SYNC_GROUP: ("sync", (CLASSIC,), "rejoin", (-1, 15, 16, 22, 25, 27, 30, 82)),
    INIT_PRODUCER_ID: ("producer-id", BOTH, "start", (-1, 7, 15, 16, 31, 53, 51)),
    LEAVE_GROUP: ("leave", (CLASSIC,), "stop", (-1, 15, 16, 25)),
    LIST_OFFSETS: ("list-offsets", BOTH, "first start", (-1, 3, 5, 6, 9, 29, 43, 74, 75, 78)),
}
FENCING = {CLASSIC: (22, 25, 27, 82), CONSUMER: (25, 110, 113)}
LOSSES = ("hold", "lose", "drop", "cut")


def fault_of(api: int, do: str, **more) -> dict:
    topic = {PRODUCE: OUTPUTS, FETCH: SOURCE}.get(api)
    return {"do": do} | more | ({"topic": topic} if topic else {})


def error_scenarios() -> Iterator[Scenario]:
    for api, (kind, protocols, when, codes) in ERRORS.items():
        # An answer to a Fetch is altered where there are records; one without topics would say nothing.
        do = "answer" if api in (FETCH, METADATA) else "refuse"
        for protocol in protocols:
            for code in (*codes, *(FENCING[protocol] if api == OFFSET_COMMIT else ())):
                may_end = code in FOR_A_PERSON
                for how, limit in (("once", {"count": 1}), ("for-a-while", {"for_ms": SOME_TIME_MS})):
                    if when == "first start" and how == "once":
                        continue
                    fault = fault_of(api, do, code=code, **limit)
                    yield Scenario(f"{kind}-{code}-{how}-{protocol}", protocol, api, fault, when, may_end)


def loss_scenarios() -> Iterator[Scenario]:
    for api, (kind, protocols, when, _) in ERRORS.items():
        if when == "first start":
            continue
        for protocol in protocols:
            for do in LOSSES:
                # kfake counts the protocols of a member wrongly that joins again without an answer.
                if (api, do) == (JOIN_GROUP, "lose"):
                    continue
                fault = fault_of(api, do, count=1)
                yield Scenario(f"{kind}-{do}-once-{protocol}", protocol, api, fault, when, api == LEAVE_GROUP)
            fault = fault_of(api, "drop", for_ms=SOME_TIME_MS)
            yield Scenario(f"{kind}-drop-for-a-while-{protocol}", protocol, api, fault, when, api == LEAVE_GROUP)


def move_scenarios() -> Iterator[Scenario]:
    for protocol in BOTH:
        for when, name in (("coordinator moves", "coordinator"), ("leaders move", "leaders")):
            for api, kind in ((PRODUCE, "produce"), (FETCH, "fetch"), (OFFSET_COMMIT, "commit"), (METADATA, "metadata")):
                for do in ("lose", "cut"):
                    fault = fault_of(api, do, count=1)
                    yield Scenario(f"{name}-move-while-{kind}-meets-{do}-{protocol}", protocol, api, fault, when)
        for api, kind in ((OFFSET_FETCH, "offset-fetch"), (OFFSET_COMMIT, "commit"), (FIND_COORDINATOR, "find-coordinator")):
            for do in ("lose", "cut"):
                when = "start" if api == FIND_COORDINATOR else "lost"
                yield Scenario(f"lost-partitions-and-{kind}-meets-{do}-{protocol}", protocol, api, fault_of(api, do, count=1), when)


TABLE = [*error_scenarios(), *loss_scenarios(), *move_scenarios()]
EVERY = 12  # of the sample


@pytest.fixture(scope="module")
def outcomes(request, run_folder: pathlib.Path) -> Iterator[lanes.Outcomes]:
    begun, executor = lanes.run(lanes.chosen(request), LANES, run_folder / "kafka-faults", make, play)
    yield begun
    executor.shutdown()


@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.name) for each in lanes.sample(TABLE, EVERY)])
def test_nothing_is_lost(outcomes: lanes.Outcomes, scenario: Scenario):
    outcomes[scenario.name].result()
