"""Which broker leads a partition, decided by a test. The Python client cannot reassign replicas, so the three requests
that this takes are written here. For a cluster without TLS."""

from __future__ import annotations

import socket
import struct
import time

from .kafka import Kafka
from .process import ServerError

REQUEST_TIMEOUT_S = 15.0
ELECT_LEADERS, ALTER_PARTITION_REASSIGNMENTS, DESCRIBE_QUORUM = 43, 45, 55
ELECTION_NOT_NEEDED = 84
NO_TAGS = b"\0"


class Leaders:
    """Moves leaders between the replicas of a partition. Brokers are counted from 1, as Kafka's node ids are.

    Never unclean: only a replica in sync becomes the leader. A request is sent to the broker `by`; any one can answer.
    """

    def __init__(self, kafka: Kafka):
        self._kafka = kafka

    def of(self, topic: str) -> dict[int, int]:
        """The leader of each partition in the metadata that clients read."""
        known = self._kafka.admin().list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic].partitions
        return {partition: about.leader for partition, about in known.items()}

    def of_quorum(self, by: int) -> int:
        """The controller: it makes the elections."""
        asked = _array([_string("__cluster_metadata") + _array([struct.pack(">i", 0) + NO_TAGS]) + NO_TAGS]) + NO_TAGS
        answer = self._ask(by, DESCRIBE_QUORUM, 0, asked)
        # The answer repeats one topic's name and one partition's index; its error and its leader follow.
        name = answer.index(b"__cluster_metadata") + len("__cluster_metadata")
        _, _, error, leader = struct.unpack_from(">bihi", answer, name)
        if error:
            raise ServerError(f"broker {by} does not know the quorum's leader: error {error}")
        return leader

    def prefer(self, topic: str, orders: dict[int, list[int]], by: int) -> None:
        """The replicas of each partition, the preferred leader first. With the same replicas in another order this is
        done when it returns, and no leader has moved."""
        partitions = [
            struct.pack(">i", partition) + _array([struct.pack(">i", broker) for broker in replicas]) + NO_TAGS
            for partition, replicas in orders.items()
        ]
        topics = _array([_string(topic) + _array(partitions) + NO_TAGS])
        timeout = struct.pack(">i", int(REQUEST_TIMEOUT_S * 1000))
        answer = self._ask(by, ALTER_PARTITION_REASSIGNMENTS, 0, timeout + topics + NO_TAGS)
        _refuse_error(answer, f"the replicas of {topic} could not be reordered")

    def elect(self, topic: str, partitions: list[int], by: int) -> None:
        """The preferred replica of each partition becomes its leader. Brokers may learn it after this returned."""
        asked = _array([struct.pack(">i", partition) for partition in partitions])
        topics = _array([_string(topic) + asked + NO_TAGS])
        timeout = struct.pack(">i", int(REQUEST_TIMEOUT_S * 1000))
        answer = self._ask(by, ELECT_LEADERS, 2, b"\0" + topics + timeout + NO_TAGS)
        _refuse_error(answer, f"the leaders of {topic} could not be moved")

    def move(self, topic: str, orders: dict[int, list[int]], by: int) -> None:
        """prefer() and elect(), then wait until the metadata shows it."""
        self.prefer(topic, orders, by)
        self.elect(topic, list(orders), by)
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        while any(self.of(topic)[partition] != replicas[0] for partition, replicas in orders.items()):
            if time.monotonic() > deadline:
                raise ServerError(f"the leaders of {topic} are {self.of(topic)}, not the first of {orders}")
            time.sleep(0.05)

    def _ask(self, broker: int, api: int, version: int, body: bytes) -> bytes:
        """The answer's body, of an API whose headers carry tags."""
        request = struct.pack(">hhih", api, version, 1, 0) + NO_TAGS + body
        address = ("127.0.0.1", self._kafka.ports[broker - 1])
        with socket.create_connection(address, timeout=REQUEST_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (length,) = struct.unpack(">i", _exactly(connection, 4))
            return _exactly(connection, length)[5:]


def _exactly(connection: socket.socket, count: int) -> bytes:
    """recv() with a timeout may return less, also with MSG_WAITALL."""
    read = b""
    while len(read) < count:
        part = connection.recv(count - len(read))
        if not part:
            raise ServerError("the broker closed the connection in the middle of an answer")
        read += part
    return read


def _refuse_error(answer: bytes, otherwise: str) -> None:
    """Both answers begin with the throttle time and an error."""
    _, error = struct.unpack_from(">ih", answer)
    if error not in (0, ELECTION_NOT_NEEDED):
        raise ServerError(f"{otherwise}: error {error}")


def _unsigned(number: int) -> bytes:
    assert 0 <= number < 128, "longer numbers are not needed"
    return bytes([number])


def _string(text: str) -> bytes:
    return _unsigned(len(text) + 1) + text.encode()


def _array(items: list[bytes]) -> bytes:
    return _unsigned(len(items) + 1) + b"".join(items)
