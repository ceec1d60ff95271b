"""The library of the database against a real Cassandra: every type, every kind of answer, TLS, roles.

The C++ side writes and reads; what it wrote is read once more with the Python driver, which knows nothing of it.
"""

from __future__ import annotations

import datetime
import decimal
import os
import subprocess
import uuid

from cassandra.util import Date, Duration, Time

from servers.cassandra import Cassandra
from servers.state import BUILD

PROGRAM = BUILD / "dev" / "libs" / "cql" / "cql_server_tests"
TIMEOUT_S = 300


def run(cassandra: Cassandra, **environment: str) -> None:
    assert PROGRAM.exists(), f"{PROGRAM} was not built; ./dev test integration builds it"
    settings = {"MILLRACE_CQL_ADDRESS": f"127.0.0.1:{cassandra.port}"} | environment
    done = subprocess.run([str(PROGRAM)], env=os.environ | settings, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_type_and_kind_of_answer_is_read(cassandra: Cassandra) -> None:
    run(cassandra)
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


def test_tls_passwords_and_roles_are_enforced(secure_cassandra: Cassandra, certificates) -> None:
    admin = secure_cassandra.session(username="cassandra", password="cassandra")
    admin.execute("CREATE ROLE IF NOT EXISTS reader WITH PASSWORD = 'reader' AND LOGIN = true")
    admin.execute("GRANT SELECT ON ALL KEYSPACES TO reader")
    admin.cluster.shutdown()
    run(
        secure_cassandra,
        MILLRACE_CQL_USER=secure_cassandra.username,
        MILLRACE_CQL_PASSWORD=secure_cassandra.password,
        MILLRACE_CQL_CA=str(certificates.ca),
        MILLRACE_CQL_OTHER_CA=str(certificates.unrelated_ca),
        MILLRACE_CQL_READER="reader",
    )
