"""What decision 0006 builds on, and what it promises, on a real Cassandra."""

from __future__ import annotations

import random
from typing import Iterator

import pytest
from cassandra.cluster import Session

KEYSPACE = "write_times"
STEP_US = 2  # write_clock::step_us
NOW_US = 1_700_000_000_000_000


@pytest.fixture
def session(cassandra) -> Iterator[Session]:
    opened = cassandra.session()
    opened.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} "
        "WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"
    )
    opened.execute(f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.latest (key text PRIMARY KEY, n int, note text)")
    opened.execute(f"TRUNCATE {KEYSPACE}.latest")
    yield opened
    opened.cluster.shutdown()


class Table:
    """Writes as the application does: deletions at the record's write time, the rest a microsecond later."""

    def __init__(self, session: Session):
        self._session = session
        insert = f"INSERT INTO {KEYSPACE}.latest (key, n, note) VALUES (?, ?, ?) USING TIMESTAMP ?"
        self._insert = session.prepare(insert)
        self._delete = session.prepare(f"DELETE FROM {KEYSPACE}.latest USING TIMESTAMP ? WHERE key = ?")
        self._select = session.prepare(f"SELECT n, note FROM {KEYSPACE}.latest WHERE key = ?")

    def write(self, key: str, n: int, at_us: int) -> None:
        self._session.execute(self._insert, (key, n, f"record {n}", at_us + 1))

    def delete(self, key: str, at_us: int) -> None:
        self._session.execute(self._delete, (at_us, key))

    def row(self, key: str) -> tuple | None:
        found = self._session.execute(self._select, (key,)).one()
        return tuple(found) if found else None


def test_on_a_tie_a_deletion_beats_a_value_and_a_larger_value_a_smaller(session: Session):
    """Why equal timestamps do not do: the outcome is neither the first nor the last."""
    table = Table(session)
    table.write("tie", 9, NOW_US)
    table.write("tie", 5, NOW_US)
    assert table.row("tie") == (9, "record 9")
    table.delete("tie", NOW_US + 1)
    assert table.row("tie") is None
    table.write("tie", 7, NOW_US)
    assert table.row("tie") is None


def test_a_record_may_delete_and_rewrite_a_row_that_the_next_record_deletes(session: Session):
    table = Table(session)
    for arrival in (("delete", "write"), ("write", "delete")):
        key = "-".join(arrival)
        for what in arrival:
            table.delete(key, NOW_US) if what == "delete" else table.write(key, 1, NOW_US)
        assert table.row(key) == (1, "record 1")
        table.delete(key, NOW_US + STEP_US)
        assert table.row(key) is None


def test_the_last_record_of_a_key_wins_in_whatever_order_the_writes_arrive(session: Session):
    """A few keys, many records in one millisecond, some deleting; each effect once or twice, shuffled."""
    table, dice = Table(session), random.Random(3)
    effects, expected, at_us = [], {}, NOW_US
    for n in range(1, 401):
        at_us = max(NOW_US + dice.randint(-2, 2) * 1000, at_us + STEP_US)
        key = f"key-{dice.randint(0, 4)}"
        deletes = dice.random() < 0.25
        expected[key] = None if deletes else (n, f"record {n}")
        effects += [(key, n, deletes, at_us)] * dice.choice([1, 1, 2])
    dice.shuffle(effects)
    for key, n, deletes, at in effects:
        table.delete(key, at) if deletes else table.write(key, n, at)
    assert {key: table.row(key) for key in expected} == expected
