"""pytest fixtures: the servers of a test run, started on first use, once, and killed at its end.

The run folder ($MILLRACE_BUILD/servers/<time>-<pid>, or MILLRACE_SERVERS_FOLDER) keeps logs and configurations.
"""

from __future__ import annotations

import os
import pathlib
import time
from typing import Iterator

import pytest

from .cassandra import Cassandra
from .certificates import Certificates
from .fleet import Fleet
from .kafka import Kafka
from .registry import Registry
from .state import BUILD


@pytest.fixture(scope="session")
def run_folder() -> pathlib.Path:
    """Where the servers of this run keep their files; tests may add folders of their own."""
    given = os.environ.get("MILLRACE_SERVERS_FOLDER")
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder = pathlib.Path(given) if given else BUILD / "servers" / run
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@pytest.fixture(scope="session")
def fleet(run_folder: pathlib.Path) -> Iterator[Fleet]:
    """All servers by name; for tests that need several at once: kafka, cassandra = fleet.need("kafka", "cassandra")."""
    servers = Fleet(run_folder)
    yield servers
    servers.kill()
    servers.remove_data()


@pytest.fixture(scope="session")
def certificates(fleet: Fleet) -> Certificates:
    """The authority behind every secure server, and one that is behind none."""
    return fleet.certificates


# The fixtures below are requested from the fleet for every test, so that a server killed by one test serves the next.


@pytest.fixture
def kafka(fleet: Fleet) -> Kafka:
    return fleet.need("kafka")[0]


@pytest.fixture
def cassandra(fleet: Fleet) -> Cassandra:
    return fleet.need("cassandra")[0]


@pytest.fixture
def registry(fleet: Fleet) -> Registry:
    return fleet.need("registry")[0]


@pytest.fixture
def secure_kafka(fleet: Fleet) -> Kafka:
    return fleet.need("secure_kafka")[0]


@pytest.fixture
def secure_cassandra(fleet: Fleet) -> Cassandra:
    return fleet.need("secure_cassandra")[0]


@pytest.fixture
def secure_registry(fleet: Fleet) -> Registry:
    return fleet.need("secure_registry")[0]


@pytest.fixture
def stack(fleet: Fleet) -> tuple[Kafka, Cassandra, Registry]:
    """The three open servers, started side by side."""
    return fleet.need("kafka", "cassandra", "registry")


@pytest.fixture
def secure_stack(fleet: Fleet) -> tuple[Kafka, Cassandra, Registry]:
    """The three servers with TLS, and with passwords on Kafka and Cassandra."""
    return fleet.need("secure_kafka", "secure_cassandra", "secure_registry")
