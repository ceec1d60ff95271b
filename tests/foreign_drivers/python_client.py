"""ScyllaDB's Python driver: executes what lines of standard input ask for, each answered by one line.

usage: python_client.py HOST:PORT KEYSPACE.TABLE COMPRESSION
    run N    "done N": N prepared statements, an INSERT and a SELECT of its row in turn
"""

from __future__ import annotations

import random
import sys

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy

CONCURRENCY = 32


def main() -> None:
    address, table, compression = sys.argv[1:]
    host, port = address.split(":")
    profile = ExecutionProfile(load_balancing_policy=TokenAwarePolicy(RoundRobinPolicy()), request_timeout=60)
    cluster = Cluster(
        [host],
        port=int(port),
        protocol_version=4,
        compression=compression if compression != "none" else False,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    session = cluster.connect()
    insert = session.prepare(f"INSERT INTO {table} (id, v) VALUES (?, ?)")
    select = session.prepare(f"SELECT v FROM {table} WHERE id = ?")
    numbers = random.Random(1)
    for line in sys.stdin:
        count = int(line.removeprefix("run "))
        keys = [f"key {numbers.randrange(1 << 40)}" for _ in range(count // 2)]
        wrote = execute_concurrent_with_args(session, insert, [(key, len(key)) for key in keys], CONCURRENCY)
        read = execute_concurrent_with_args(session, select, [(key,) for key in keys], CONCURRENCY)
        assert all(done for done, _ in wrote)
        assert all(done and rows.one().v == len(key) for key, (done, rows) in zip(keys, read, strict=True))
        print(f"done {len(wrote) + len(read)}", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
