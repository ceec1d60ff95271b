"""The recorder on a database whose answers go wrong, between the process and three nodes.

After each scenario: the process runs, nothing is a dead letter, every record has its row and its output and is committed,
and every row is what the record asked for. Deadlines are generous and prove only that nothing hangs.
"""

from __future__ import annotations

import dataclasses
import pathlib
import struct
from typing import Iterator

import pytest

from . import cql_proxy, lanes
from .cql_proxy import EXECUTE, OPTIONS, PREPARE, UNPREPARED
from .fake_kafka import FakeKafka
from .recorder import Database, Recorder
from .relay import DEAD_LETTERS, OUTPUTS, SOURCE, TOPICS, until

LANES = 3
RECORDS = 60
APPLIES_S = 20.0
# A connection is set up again, a breaker closes, records are tried again.
SETTLES_S = 40.0
SOME_TIME_S = 1.5
SELECT, INSERT = "SELECT", "INSERT"


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    rules: tuple[tuple[str, dict], ...]  # all apply at the same time; the first that applies to a request
    lane: str = "database"
    fresh: bool = False


@dataclasses.dataclass
class Stage:
    cluster: FakeKafka
    database: Database
    line: Recorder

    def close(self) -> None:
        self.line.member.kill()
        self.cluster.stop()
        self.database.stop()


def make(_: Scenario, folder: pathlib.Path) -> Stage:
    cluster = FakeKafka(folder, TOPICS)
    cluster.start()
    cluster.check(SOURCE, OUTPUTS, DEAD_LETTERS)
    database = Database()
    stage = Stage(cluster, database, Recorder(folder / "recorder", cluster, database))
    stage.line.start()
    stage.line.give_each(RECORDS)
    assert stage.line.settles(SETTLES_S), stage.line.member.account()
    return stage


def play(stage: Stage, scenario: Scenario) -> None:
    line, proxy = stage.line, stage.database.proxy
    rules = [proxy.rule(do, **selected) for do, selected in scenario.rules]
    try:

        def applied() -> bool:
            line.give_each(RECORDS // 6)
            return all(rule.over if rule.count or rule.for_s else rule.applied for rule in rules)

        line.give_each(RECORDS)
        happened = until(lambda: not line.running or applied(), APPLIES_S)
    finally:
        proxy.drop_rules()
    line.give_each(RECORDS)
    settled = line.settles(SETTLES_S)
    assert line.running, f"it ended\n{line.member.account()}"
    assert happened, f"not every rule applied: {[(rule.do, rule.matched, rule.applied) for rule in rules]}"
    check(stage, settled)


def check(stage: Stage, settled: bool) -> None:
    state = stage.cluster.state()
    assert not state["violations"] and not state["unread"], f"commits passed records: {state['violations'][:3]}"
    assert settled and not state["missing"], (
        f"of {state['source']} records {state['lag']} are not committed, {len(state['missing'])} without output"
        f"\n{stage.line.member.account()}"
    )
    assert state["by_topic"][DEAD_LETTERS] == 0, stage.line.member.process.log_tail()
    wrong = stage.line.wrong_rows()
    assert not wrong, f"{len(wrong)} rows are wrong: {list(wrong.items())[:5]}"


# The table


def error_scenarios() -> Iterator[Scenario]:
    codes = {
        "server-error": 0x0000, "protocol-error": 0x000A, "unavailable": 0x1000, "overloaded": 0x1001,
        "bootstrapping": 0x1002, "truncate-error": 0x1003, "write-timeout": 0x1100, "read-timeout": 0x1200,
        "read-failure": 0x1300, "write-failure": 0x1500, "cdc-write-failure": 0x1600, "cas-write-unknown": 0x1700,
        "unauthorized": 0x2100, "unprepared": UNPREPARED, "unknown-code": 0x4242, "negative-code": -7,
    }  # fmt: skip
    for name, code in codes.items():
        yield Scenario(f"{name}-once", (("refuse", {"text": INSERT, "code": code, "count": 1}),))
        yield Scenario(f"{name}-for-a-while", (("refuse", {"code": code, "for_s": SOME_TIME_S}),))
        yield Scenario(f"{name}-of-a-select", (("refuse", {"text": SELECT, "code": code, "count": 3}),))
        if code != UNPREPARED:
            yield Scenario(f"{name}-with-effect", (("answer", {"text": INSERT, "code": code, "count": 10}),))


def unprepared_scenarios() -> Iterator[Scenario]:
    for count in (3, 30):
        yield Scenario(f"unprepared-{count}-times-in-a-row", (("refuse", {"code": UNPREPARED, "count": count}),))
    again = ("refuse", {"code": UNPREPARED, "count": 3})
    for do in ("refuse", "lose", "cut", "half", "hold", "twice"):
        then = (do, {"request": PREPARE, "count": 1, "code": 0x0000})
        yield Scenario(f"preparing-again-meets-{do}", (then, again))
    other_id = ("change", {"request": PREPARE, "count": 1, "change": with_other_id})
    yield Scenario("preparing-again-gives-another-id", (other_id, again))


def lost_scenarios() -> Iterator[Scenario]:
    for what in (SELECT, INSERT):
        for do in ("hold", "lose", "drop", "cut", "half", "stall", "freeze"):
            yield Scenario(f"{do}-of-{what}", ((do, {"text": what, "count": 1}),))
        for do in ("hold", "lose", "drop", "cut"):
            yield Scenario(f"{do}-of-{what}-many-times", ((do, {"text": what, "count": 20}),))
        # After the deadline of the request, and before it.
        yield Scenario(f"late-{what}", (("delay", {"text": what, "count": 20, "ms": 800}),))
        yield Scenario(f"slow-{what}", (("delay", {"text": what, "count": 20, "ms": 200}),))
        yield Scenario(f"trickling-{what}", (("trickle", {"text": what, "count": 3, "ms": 1}),))
        yield Scenario(f"{what}-twice", (("twice", {"text": what, "count": 1}),))
        yield Scenario(f"{what}-twice-many-times", (("twice", {"text": what, "count": 20}),))
    yield Scenario("every-answer-twice", (("twice", {"for_s": SOME_TIME_S}),))
    yield Scenario("nothing-is-answered", (("lose", {"for_s": SOME_TIME_S}),))
    yield Scenario("a-node-freezes", (("freeze", {"node": 1, "for_s": SOME_TIME_S}),))
    yield Scenario("every-connection-freezes", (("freeze", {"request": None, "by": "", "for_s": SOME_TIME_S}),))
    yield Scenario("every-connection-is-cut", (("drop", {"request": None, "by": "", "for_s": SOME_TIME_S}),))


def header(at: int, *values: int):
    """Other bytes of the answer's header."""

    def change(whole: bytes) -> bytes:
        return whole[:at] + bytes(values) + whole[at + len(values) :]

    return change


def with_other_id(whole: bytes) -> bytes:
    """Of a prepared statement; only a RESULT has one."""
    id_at = cql_proxy.HEADER_BYTES + 6
    return whole[:id_at] + bytes([whole[id_at] ^ 0xFF]) + whole[id_at + 1 :]


def shortened(whole: bytes) -> bytes:
    """A complete frame whose body ends too early."""
    body = whole[cql_proxy.HEADER_BYTES : -3] if len(whole) > cql_proxy.HEADER_BYTES + 3 else b""
    return whole[:5] + struct.pack(">I", len(body)) + body


def of_unknown_kind(whole: bytes) -> bytes:
    """A result of no kind that the protocol has."""
    return whole[: cql_proxy.HEADER_BYTES] + struct.pack(">i", 77) + whole[cql_proxy.HEADER_BYTES + 4 :]


CHANGES = {
    "a-wrong-version": header(0, 0x83),
    "a-version-of-requests": header(0, 0x04),
    "the-flag-of-compression": header(1, 0x01),
    "an-unknown-stream": header(2, 0x30, 0x39),
    "the-stream-of-events": header(2, 0xFF, 0xFF),
    "another-opcode": header(4, 0x02),
    "an-unknown-opcode": header(4, 0x7F),
    "a-negative-length": header(5, 0xFF, 0xFF, 0xFF, 0xFF),
    "a-huge-length": header(5, 0x7F, 0xFF, 0xFF, 0xFF),
    "a-longer-length": header(5, 0x00, 0x10, 0x00, 0x00),
    "a-body-that-ends-early": shortened,
    "an-unknown-kind": of_unknown_kind,
    "no-bytes": lambda whole: b"",
    "bytes-without-a-frame": lambda whole: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def changed_scenarios() -> Iterator[Scenario]:
    for name, change in CHANGES.items():
        for what in (SELECT, INSERT):
            yield Scenario(f"{what}-with-{name}", (("change", {"text": what, "count": 1, "change": change}),))
        yield Scenario(f"many-answers-with-{name}", (("change", {"count": 20, "change": change}),))


def control_scenarios() -> Iterator[Scenario]:
    """Of the driver's connections: they say where the nodes are, and nothing else."""
    for name in ("a-wrong-version", "an-unknown-stream", "a-negative-length", "an-unknown-opcode", "bytes-without-a-frame"):
        rule = ("change", {"request": OPTIONS, "by": "control", "count": 1, "change": CHANGES[name]})
        yield Scenario(f"control-connection-with-{name}", (rule,))
    for do in ("hold", "cut", "half", "stall", "freeze", "twice"):
        yield Scenario(f"control-connection-meets-{do}", ((do, {"request": OPTIONS, "by": "control", "count": 1}),))
    for name, code in (("server-error", 0x0000), ("overloaded", 0x1001), ("protocol-error", 0x000A)):
        rule = ("refuse", {"request": OPTIONS, "by": "control", "count": 1, "code": code})
        yield Scenario(f"control-connection-with-{name}", (rule,))


def keepalive_scenarios() -> Iterator[Scenario]:
    """Of the workers' handshakes."""
    cut = ("drop", {"request": EXECUTE, "count": 3})
    for do in ("refuse", "drop", "cut", "half", "hold", "stall", "twice"):
        met = (do, {"request": OPTIONS, "by": "", "count": 1, "code": 0x0000})
        yield Scenario(f"handshake-meets-{do}", (cut, met))
    met = ("refuse", {"request": cql_proxy.STARTUP, "by": "worker", "count": 2, "code": 0x1001})
    yield Scenario("handshake-is-refused-as-overloaded", (cut, met))
    met = ("change", {"request": cql_proxy.STARTUP, "by": "worker", "count": 2, "change": CHANGES["a-wrong-version"]})
    yield Scenario("handshake-with-a-wrong-version", (cut, met))


TABLE = [
    *control_scenarios(), *unprepared_scenarios(), *error_scenarios(), *lost_scenarios(), *changed_scenarios(),
    *keepalive_scenarios(),
]  # fmt: skip
EVERY = 6  # of the sample
# Each has failed before.
ALWAYS = (
    "preparing-again-meets-twice", "control-connection-with-a-wrong-version", "SELECT-with-a-wrong-version",
    "unprepared-3-times-in-a-row", "unknown-code-for-a-while", "protocol-error-once", "cdc-write-failure-once",
    "cas-write-unknown-once", "every-answer-twice",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(request, run_folder: pathlib.Path) -> Iterator[lanes.Outcomes]:
    begun, executor = lanes.run(lanes.chosen(request), LANES, run_folder / "cql-faults", make, play)
    yield begun
    executor.shutdown()


@pytest.mark.parametrize("scenario", lanes.sample(TABLE, EVERY, ALWAYS), ids=lambda scenario: scenario.name)
def test_nothing_is_lost_or_wrong(outcomes: lanes.Outcomes, scenario: Scenario):
    outcomes[scenario.name].result()
