"""ScyllaDB's own drivers route to the emulated cluster as the emulator itself computes it, so that its counters may
judge our client: the emulator and our client could share one wrong reading of the specification, these do not.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import cluster

REQUESTS = 20_000
WARM_UP = 4_000
MISROUTED_MAX = REQUESTS // 1000
REPLICATION = "{'class': 'NetworkTopologyStrategy', 'dc1': 2}"


@pytest.fixture
def emulated() -> Iterator[cluster.EmulatedCluster]:
    """3 nodes of 4 shards, with 16 tokens each."""
    started = cluster.EmulatedCluster(nodes=3, shards=4, tokens=16)
    started.tell(f"execute CREATE KEYSPACE vnodes WITH replication = {REPLICATION} AND tablets = {{'enabled': false}}")
    started.tell(f"execute CREATE KEYSPACE tablets WITH replication = {REPLICATION} AND tablets = {{'initial': 16}}")
    for keyspace in ("vnodes", "tablets"):
        started.tell(f"execute CREATE TABLE {keyspace}.t (id text PRIMARY KEY, v int)")
    yield started
    started.close()


@pytest.fixture(params=list(cluster.CLIENTS))
def start_client(request, emulated) -> Iterator:
    started = []

    def start(table: str, compression: str = "none") -> cluster.LineProcess:
        started.append(cluster.CLIENTS[request.param](emulated.address, table, compression))
        run(started[-1], 100)
        emulated.wait_for_connections()
        return started[-1]

    yield start
    for each in started:
        each.close()


def run(client: cluster.LineProcess, requests: int) -> None:
    assert client.ask(f"run {requests}") == f"done {requests}"


def measured(emulated: cluster.EmulatedCluster, client: cluster.LineProcess) -> dict:
    """The counters of REQUESTS requests, none of which may have failed."""
    before = emulated.tell("counters")
    run(client, REQUESTS)
    after = emulated.tell("counters")
    spent = {name: after[name] - before[name] for name in after}
    assert spent["routed"] + spent["misrouted_node"] + spent["misrouted_shard"] == REQUESTS
    assert spent["protocol_errors"] == 0
    return spent


def check(spent: dict) -> None:
    assert spent["misrouted_node"] <= MISROUTED_MAX, spent
    assert spent["misrouted_shard"] <= MISROUTED_MAX, spent


def test_vnodes(emulated, start_client):
    client = start_client("vnodes.t")
    check(measured(emulated, client))


@pytest.mark.parametrize("compression", ["lz4", "snappy"])
def test_compressed_frames(emulated, start_client, compression):
    client = start_client("vnodes.t", compression)
    spent = measured(emulated, client)
    check(spent)
    assert spent["compressed_in"] >= REQUESTS
    assert spent["compressed_out"] > 0


def test_tablets_after_warm_up_split_and_migration(emulated, start_client):
    assert emulated.tell("tablets tablets t") == {"tablets": 16}
    client = start_client("tablets.t")
    run(client, WARM_UP)
    assert emulated.tell("counters")["tablet_payloads"] > 0, "the driver asked for tablets, and learned them so"
    check(measured(emulated, client))

    emulated.tell("split tablets t")
    assert emulated.tell("tablets tablets t") == {"tablets": 32}
    check(measured(emulated, client))

    before = emulated.tell("counters")
    emulated.tell("migrate tablets t")
    run(client, WARM_UP)
    told = emulated.tell("counters")["tablet_payloads"] - before["tablet_payloads"]
    assert told >= 32, "every tablet moved"
    check(measured(emulated, client))
