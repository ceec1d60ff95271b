"""The library of the database against a real Cassandra: every type, every kind of answer, TLS, roles.

The C++ side writes and reads; what it wrote is read once more with the Python driver, which knows nothing of it.
"""

from __future__ import annotations

import datetime
import decimal
import os
import pathlib
import subprocess
import time
import uuid

from cassandra.util import Date, Duration, Time

from servers.cassandra import Cassandra
from servers.state import BUILD

PROGRAM = BUILD / "dev" / "libs" / "cql" / "cql_server_tests"
TIMEOUT_S = 300


def start(cassandra: Cassandra, tests: str, **environment: str) -> subprocess.Popen:
    assert PROGRAM.exists(), f"{PROGRAM} was not built; ./dev test integration builds it"
    settings = {"MILLRACE_CQL_ADDRESS": f"127.0.0.1:{cassandra.port}"} | environment
    command = [str(PROGRAM), f"--gtest_filter={tests}"]
    return subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(program: subprocess.Popen) -> None:
    output, _ = program.communicate(timeout=TIMEOUT_S)
    assert program.returncode == 0, output[-8000:]


def run(cassandra: Cassandra, tests: str = "*", **environment: str) -> None:
    finish(start(cassandra, tests, **environment))


def complains_of_keyspaces(cassandra: Cassandra) -> bool:
    """Of executions in another keyspace than that of the preparation, spelt as ExecuteMessage.java spells it."""
    log = cassandra.processes[0].log.read_text(errors="replace")
    return "unqalified statement" in log or "unqualified statement" in log


def test_every_type_and_kind_of_answer_is_read(cassandra: Cassandra) -> None:
    run(cassandra, "-loaded_server*")
    session = cassandra.session()
    row = session.execute("SELECT * FROM types.everything WHERE id = 'sample'").one()
    assert row.c_boolean is True
    assert (row.c_tinyint, row.c_smallint, row.c_int, row.c_bigint) == (-8, -1600, -(2**31), 2**63 - 1)
    assert (row.c_float, row.c_double) == (1.5, -2.25)
    assert (row.c_text, row.c_ascii, row.c_blob) == ("h\u00e9llo", "plain", b"\x00\xff")
    assert row.c_timestamp == datetime.datetime(2023, 11, 14, 22, 13, 20, 123000)
    assert row.c_date == Date("1969-12-31")
    assert row.c_time == Time(3_723_000_000_001)
    assert row.c_uuid == uuid.UUID("123e4567-e89b-42d3-a456-426614174000")
    assert row.c_timeuuid == uuid.UUID("50554d6e-29bb-11e5-b345-feff819cdc9f")
    assert (row.c_inet, row.c_varint) == ("127.0.0.1", -129)
    assert row.c_duration == Duration(14, 3, 3_600_000_000_000)
    assert (list(row.c_list), set(row.c_set), dict(row.c_map)) == (["b", "a", ""], {1, 2, 3}, {"x": 0.5, "y": -1.0})
    assert tuple(row.c_tuple) == (7, None)
    assert (row.c_udt.street, row.c_udt.number, list(row.c_udt.tags)) == ("Main", 5, ["home"])
    assert [(each.street, each.number) for each in row.c_udts] == [("Side", None), ("Back", 9)]
    assert list(row.c_vector) == [0.25, -1.0, 3.0]
    assert list(row.c_texts) == ["one", ""]
    assert list(row.c_shorts) == [-2, 300]
    large = session.execute("SELECT c_decimal FROM types.everything WHERE id = 'decimal'").one()
    assert large.c_decimal == decimal.Decimal("4722366482869645213695")
    session.cluster.shutdown()


def test_the_schema_changes_under_load(cassandra: Cassandra) -> None:
    run(cassandra, "loaded_server*")
    assert not complains_of_keyspaces(cassandra)


def test_the_server_restarts_under_load(cassandra: Cassandra, run_folder: pathlib.Path) -> None:
    wanted = run_folder / "restart"
    program = start(cassandra, "loaded_server.restarts*", MILLRACE_CQL_RESTART_FILE=str(wanted))
    try:
        while not wanted.exists() and program.poll() is None:
            time.sleep(0.05)
        cassandra.restart()
        wanted.unlink(missing_ok=True)
        finish(program)
    finally:
        program.kill()
    assert not complains_of_keyspaces(cassandra)


def test_the_ring_is_that_of_the_server(cassandra: Cassandra) -> None:
    session = cassandra.session()
    tokens = session.execute("SELECT tokens FROM system.local").one().tokens
    session.cluster.shutdown()
    assert set(tokens) == {"0"}, "the one token of tests/servers, below and above which every key is its node's"


def test_tls_passwords_and_roles_are_enforced(secure_cassandra: Cassandra, certificates) -> None:
    admin = secure_cassandra.session(username="cassandra", password="cassandra")
    admin.execute("CREATE ROLE IF NOT EXISTS reader WITH PASSWORD = 'reader' AND LOGIN = true")
    admin.execute("GRANT SELECT ON ALL KEYSPACES TO reader")
    admin.cluster.shutdown()
    run(
        secure_cassandra,
        "-loaded_server*:server.tokens*",
        MILLRACE_CQL_USER=secure_cassandra.username,
        MILLRACE_CQL_PASSWORD=secure_cassandra.password,
        MILLRACE_CQL_CA=str(certificates.ca),
        MILLRACE_CQL_OTHER_CA=str(certificates.unrelated_ca),
        MILLRACE_CQL_READER="reader",
    )
