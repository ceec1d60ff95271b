"""`millrace certify` against a real Cassandra: what holds on every server holds here, and nothing of it stays."""

from __future__ import annotations

import json
import subprocess

from integration.application import program
from servers.cassandra import Cassandra

TIMEOUT_S = 300
PASSES = {
    "partitioner",
    "nodes reachable",
    "connections",
    "INSERT by traces",
    "SELECT by traces",
    "conditional by traces",
    "unlogged batch by traces",
    "paged SELECT by traces",
    "ALTER TABLE ADD",
    "ALTER TYPE ADD, nested",
    "DROP and CREATE with the same types",
    "DROP and CREATE with another type",
    "nothing is lost",
    "nothing stops",
    "paging",
    "large value",
    "unset and null values",
    "client timestamps",
    "conditional race",
    "INSERT",
    "SELECT",
    "failures by code",
    "keyspace dropped",
}


def test_a_real_cassandra_passes_and_keeps_nothing(cassandra: Cassandra) -> None:
    command = [program(), "certify", "--cql", f"127.0.0.1:{cassandra.port}", "--seconds", "5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    verdicts = {line["what"]: line["verdict"] for line in report["lines"]}
    assert report["verdict"] == "PASS" and not report["failed"]
    assert {what for what in PASSES if verdicts.get(what) != "PASS"} == set()
    session = cassandra.session()
    names = {row.keyspace_name for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
    session.cluster.shutdown()
    assert "millrace_certify" not in names
