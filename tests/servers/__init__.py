"""Real servers for tests: Apache Kafka, Apache Cassandra, a schema registry. See README.md."""

from .cassandra import Cassandra
from .certificates import Certificates
from .fleet import Fleet
from .kafka import Kafka
from .process import ServerError
from .registry import Registry

__all__ = ["Cassandra", "Certificates", "Fleet", "Kafka", "Registry", "ServerError"]
