"""A real Cassandra in the place of the emulator. It shares the machine with the contestants and is the slowest part: what
counts is the contestants' CPU per record."""

from __future__ import annotations

import pathlib

from cassandra.concurrent import execute_concurrent_with_args
from confluent_kafka import Consumer, TopicPartition
from servers.cassandra import Cassandra

from environment import Environment

TABLES = (
    "CREATE KEYSPACE bench WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
    "CREATE TABLE bench.visitor_profile (visitor_id text PRIMARY KEY, segment text, score double)",
    "CREATE TABLE bench.visit (visitor_id text, event_time timestamp, event_id uuid, url text, segment text, score double, "
    "PRIMARY KEY ((visitor_id), event_time, event_id))",
)
ADD_PROFILE = "INSERT INTO bench.visitor_profile (visitor_id, segment, score) VALUES (?, ?, ?)"
ROWS = "SELECT visitor_id, toUnixTimestamp(event_time), event_id, url, segment, score FROM bench.visit"
UNKNOWN = "unknown"  # the segment of a visitor without a profile
WRITERS = 64


class CassandraEnvironment:
    """What measure() needs of a Environment."""

    def __init__(self, environment: Environment, folder: pathlib.Path, bootstrap: str, partitions: int, records: int) -> None:
        self.registry = environment.registry
        self._bootstrap, self._partitions = bootstrap, partitions
        self._expected = self._read_expected(environment, folder / "expected.tsv", records)
        self._server = Cassandra(folder / "cassandra").start()
        self.cql = self._server.contact_point
        self._session = self._server.session()
        for table in TABLES:
            self._session.execute(table)
        profiles = {visitor: (segment, score) for (visitor, _, _), (_, segment, score) in self._expected.items()}
        known = [(visitor, *profile) for visitor, profile in profiles.items() if profile[0] != UNKNOWN]
        execute_concurrent_with_args(self._session, self._session.prepare(ADD_PROFILE), known, concurrency=WRITERS)
        self._progress: Consumer | None = None
        self._places: list[TopicPartition] = []

    def reset(self, topic: str, group: str) -> None:
        self._session.execute("TRUNCATE bench.visit")
        if self._progress:
            self._progress.close()
        self._progress = Consumer({"bootstrap.servers": self._bootstrap, "group.id": group})
        self._places = [TopicPartition(topic, partition) for partition in range(self._partitions)]
        self.inserted()  # finds the group's coordinator, which may take longer than the run

    def inserted(self) -> int:
        """As the group has committed: counting the rows would burden the server."""
        return sum(max(place.offset, 0) for place in self._progress.committed(self._places, timeout=30))

    def verify(self, records: int) -> dict:
        found = {"missing": 0, "wrong": 0, "rewritten": 0}  # a row that was written twice looks like one
        left = dict(list(self._expected.items())[:records])
        for visitor, event_time, event_id, *values in self._session.execute(ROWS):
            expected = left.pop((visitor, event_time, str(event_id)), None)
            found["wrong"] += expected != tuple(values)
        found["missing"] = len(left)
        return found

    def close(self) -> None:
        if self._progress:
            self._progress.close()
        self._session.cluster.shutdown()
        self._server.stop()

    @staticmethod
    def _read_expected(environment: Environment, file: pathlib.Path, records: int) -> dict[tuple, tuple]:
        environment.expect(records, file)
        rows = (line.split("\t") for line in file.read_text().splitlines())
        return {(v, int(time), event): (url, segment, float(score)) for v, time, event, url, segment, score in rows}
