"""How to reach a server, whoever started it: addresses, credentials, and ready-made official clients."""

from __future__ import annotations

import logging
import pathlib
import ssl
import time
from typing import Callable

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import DCAwareRoundRobinPolicy
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient

from .process import ServerError

ADMIN_TIMEOUT_S = 60.0
CQL_TIMEOUT_S = 30.0

# librdkafka reports refused connections while a broker starts; the broker's own log says more.
_unheard = logging.getLogger("servers.librdkafka")
_unheard.propagate = False
_unheard.addHandler(logging.NullHandler())


class KafkaAccess:
    """Plaintext without `ca`; SASL over TLS with it."""

    def __init__(self, bootstrap: str, username: str | None = None, password: str | None = None, ca: str | None = None):
        self.bootstrap = bootstrap
        self.username = username
        self.password = password
        self.ca = ca

    def describe(self) -> dict:
        return {"bootstrap": self.bootstrap, "username": self.username, "password": self.password, "ca": self.ca}

    def client_config(self, overrides: dict | None = None, mechanism: str = "SCRAM-SHA-512") -> dict:
        """librdkafka properties that reach the cluster; `overrides` win. The other mechanism is PLAIN."""
        config: dict = {"bootstrap.servers": self.bootstrap}
        if self.ca:
            config |= {
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": self.ca,
                "sasl.mechanism": mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        return config | (overrides or {})

    def admin(self) -> AdminClient:
        return AdminClient(self.client_config(), logger=_unheard)

    def create_topic(
        self, name: str, partitions: int = 1, replicas: int = 1, config: dict[str, str] | None = None
    ) -> None:
        """Returns when every partition has a leader in the metadata that clients read."""
        topic = NewTopic(name, partitions, replication_factor=replicas, config=config or {})
        admin = self.admin()  # its requests die with it
        admin.create_topics([topic], operation_timeout=30)[name].result(timeout=ADMIN_TIMEOUT_S)

        def led() -> bool:
            known = admin.list_topics(name, timeout=ADMIN_TIMEOUT_S).topics[name].partitions.values()
            return len(known) == partitions and all(partition.leader >= 0 for partition in known)

        _wait_until(led, f"Kafka made topic {name} and nobody leads it")

    def delete_topic(self, name: str) -> None:
        """Returns when the topic is absent from the metadata that clients read."""
        admin = self.admin()
        admin.delete_topics([name], operation_timeout=30)[name].result(timeout=ADMIN_TIMEOUT_S)

        def gone() -> bool:
            return name not in admin.list_topics(timeout=ADMIN_TIMEOUT_S).topics

        _wait_until(gone, f"Kafka deleted topic {name} and still announces it")


class CassandraAccess:
    """Plain and open without `ca`; TLS and a login with it."""

    datacentre = "datacenter1"

    def __init__(self, port: int, username: str | None = None, password: str | None = None, ca: str | None = None):
        self.port = port
        self.username = username
        self.password = password
        self.ca = ca

    def describe(self) -> dict:
        return {"port": self.port, "username": self.username, "password": self.password, "ca": self.ca}

    @property
    def contact_point(self) -> str:
        return f"127.0.0.1:{self.port}"

    def session(
        self, username: str | None = None, password: str | None = None, ca: pathlib.Path | None = None
    ) -> Session:
        """A connected session; `session.cluster.shutdown()` closes it. Arguments replace the right credentials."""
        policy = DCAwareRoundRobinPolicy(self.datacentre)
        profile = ExecutionProfile(load_balancing_policy=policy, request_timeout=CQL_TIMEOUT_S)
        options: dict = {}
        if self.ca:
            login = PlainTextAuthProvider(username or self.username, password or self.password)
            options = {"ssl_context": ssl.create_default_context(cafile=str(ca or self.ca)), "auth_provider": login}
            options["ssl_options"] = {"server_hostname": "127.0.0.1"}
        cluster = Cluster(
            ["127.0.0.1"],
            port=self.port,
            protocol_version=4,
            connect_timeout=CQL_TIMEOUT_S,
            control_connection_timeout=CQL_TIMEOUT_S,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            **options,
        )
        try:
            return cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise


class RegistryAccess:
    """`http` without `ca`, `https` with it."""

    def __init__(self, url: str, ca: str | None = None):
        self.url = url
        self.ca = ca

    def describe(self) -> dict:
        return {"url": self.url, "ca": self.ca}

    def client_config(self) -> dict:
        """The configuration of the official Python client."""
        return {"url": self.url} | ({"ssl.ca.location": self.ca} if self.ca else {})

    def client(self) -> SchemaRegistryClient:
        return SchemaRegistryClient(self.client_config())


def _wait_until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise ServerError(f"{otherwise} after {ADMIN_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
