"""The recorder application (recorder/) on a fake Kafka cluster and an emulated database behind a proxy."""

from __future__ import annotations

import pathlib

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy

from foreign_drivers.cluster import EmulatedCluster

from .cql_proxy import CqlProxy
from .fake_kafka import FakeKafka
from .relay import PARTITIONS, SOURCE, Relay

NODES = 3
PLACES = 100
KEYSPACE = "app"
SCHEMA = (
    f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {NODES}}}",
    f"CREATE TABLE {KEYSPACE}.place (id int PRIMARY KEY, name text)",
    f"CREATE TABLE {KEYSPACE}.result (key text PRIMARY KEY, id int, name text)",
)
# Short deadlines: a lost answer costs one of them.
REQUEST_TIMEOUT_S = 0.5
KEEPALIVE_S = 1


def name_of(place: int) -> str:
    return f"place number {place}"


class Database:
    """Three emulated nodes, which share their rows, and a proxy in front of each."""

    def __init__(self):
        self.emulator = EmulatedCluster(NODES, shards=0, tokens=1)
        for statement in SCHEMA:
            self.emulator.tell(f"execute {statement}")
        for place in range(PLACES):
            values = f"({place}, '{name_of(place)}')"
            self.emulator.tell(f"execute INSERT INTO {KEYSPACE}.place (id, name) VALUES {values}")
        self.port = int(self.emulator.address.rsplit(":", 1)[1])
        self.proxy = CqlProxy([(f"127.0.0.{node + 1}", self.port) for node in range(NODES)])
        self.proxy.start()
        self._reader: Cluster | None = None

    def section(self) -> dict:
        """Of the configuration."""
        proxies = [f"127.0.0.1:{port}" for port in self.proxy.ports]
        return {
            "contact_points": proxies[:1],
            "keyspace": KEYSPACE,
            "request_timeout": f"{int(REQUEST_TIMEOUT_S * 1000)}ms",
            "keepalive": f"{KEEPALIVE_S}s",
            "address_map": {f"127.0.0.{node + 1}:{self.port}": proxies[node] for node in range(NODES)},
        }

    def results(self) -> dict[str, tuple[int, str]]:
        """Place and name by key, read past the proxy."""
        if self._reader is None:
            policy = WhiteListRoundRobinPolicy(["127.0.0.1"])
            profiles = {EXEC_PROFILE_DEFAULT: ExecutionProfile(load_balancing_policy=policy)}
            self._reader = Cluster(["127.0.0.1"], self.port, protocol_version=4, execution_profiles=profiles)
            self._session = self._reader.connect(KEYSPACE)
        return {row.key: (row.id, row.name) for row in self._session.execute("SELECT key, id, name FROM result")}

    def stop(self) -> None:
        if self._reader is not None:
            self._reader.shutdown()
        self.proxy.stop()
        self.emulator.close()


class Recorder(Relay):
    """One process of the application. Its records ask for the places one after the other."""

    def __init__(self, folder: pathlib.Path, cluster: FakeKafka, database: Database):
        self.database = database
        self.places: dict[str, int] = {}
        # No record may run out of attempts while a fault lasts: the retries would hide what the client loses.
        retry = {"attempts_max": 100, "backoff_first": "10ms", "backoff_max": "200ms"}
        breaker = {"open_max": "1s"}
        engine = {"retry": retry, "breaker": breaker}
        super().__init__(folder, cluster, "recorder", {"cql": database.section(), "engine": engine})

    def give_each(self, count: int) -> None:
        """Records, each for the next place, round robin to the partitions."""
        rows = []
        for _ in range(count):
            partition, place = self.written % PARTITIONS, self.written % PLACES
            key = self._next_key()
            self.places[key] = place
            rows.append((partition, key, self._value("relay", place)))
        self.cluster.produce(SOURCE, rows)

    def wrong_rows(self) -> dict[str, object]:
        """What was written, by key, where it is not what the record asked for."""
        expected = {key: (place, name_of(place)) for key, place in self.places.items()}
        found = self.database.results()
        keys = expected.keys() | found.keys()
        return {key: found.get(key) for key in keys if found.get(key) != expected.get(key)}
