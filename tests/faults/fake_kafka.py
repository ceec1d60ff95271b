"""A Kafka cluster in memory whose answers can be refused, held, lost and corrupted: the program of fake_kafka/.

It checks every commit: each record below the committed offset must have an output, a record of the same key in one of
the topics named to `check`. Rules select requests by kind, topic, partition and broker; see fake_kafka/rules.go.
"""

from __future__ import annotations

import base64
import fcntl
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Iterable, Iterator

from servers.process import Process, ServerError, free_port
from servers.state import BUILD

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH = 0, 1, 2, 3, 8, 9
FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, INIT_PRODUCER_ID = 10, 11, 12, 13, 14, 22
CONSUMER_GROUP_HEARTBEAT = 68
GROUP_REQUESTS = (OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP)

OFFSET_OUT_OF_RANGE, NOT_LEADER, NOT_ENOUGH_REPLICAS, STORAGE_ERROR = 1, 6, 19, 56
CLUSTER_AUTHORIZATION_FAILED, OUT_OF_ORDER_SEQUENCE, TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 31, 45, 53
ILLEGAL_GENERATION, FENCED_MEMBER_EPOCH = 22, 110

SOURCES = pathlib.Path(__file__).parent / "fake_kafka"
READY_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 30.0
BATCH_HEADER_BYTES = 61  # of a batch of records; its checksum covers what follows, and most of itself


def go_environment() -> dict[str, str]:
    """Pinned modules only, and no other toolchain than the one that is here."""
    return os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}


def go_command() -> str:
    """A Go that is new enough: the machine's, or the one that servers/setup.sh --go put into the environment."""
    needed = re.search(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    least = tuple(int(part) for part in needed.groups())
    for command in (shutil.which("go"), str(pathlib.Path(sys.executable).parent / "go")):
        if command is None or not os.access(command, os.X_OK):
            continue
        said = subprocess.run([command, "version"], capture_output=True, text=True, env=go_environment())
        found = re.search(r"\bgo(\d+)\.(\d+)", said.stdout)
        if found and tuple(int(part) for part in found.groups()) >= least:
            return command
    raise ServerError(f"no Go {least[0]}.{least[1]} or newer; tests/servers/setup.sh --go installs one")


@functools.cache
def program() -> str:
    """The path of the program, built from its sources; Go's own cache makes that quick."""
    folder = BUILD / "fake_kafka"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / "fake_kafka"
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [go_command(), "build", "-o", str(built), "."],
            cwd=SOURCES, capture_output=True, text=True, env=go_environment(),
        )  # fmt: skip
    if done.returncode != 0:
        raise ServerError(f"fake_kafka cannot be built:\n{done.stderr}")
    return str(built)


class FakeKafka:
    """The cluster and a schema registry, on free ports of the loopback. Nothing of it outlives stop()."""

    def __init__(self, folder: pathlib.Path, topics: dict[str, int], brokers: int = 3, heartbeat_ms: int = 0):
        port = free_port()
        self.control = f"http://127.0.0.1:{port}"
        command = [program(), "-control", f"127.0.0.1:{port}", "-brokers", str(brokers), "-session-timeout-min", "1s"]
        if heartbeat_ms:
            command += ["-heartbeat-interval", f"{heartbeat_ms}ms"]
        for name, partitions in topics.items():
            command += ["-topic", f"{name}:{partitions}"]
        self.process = Process("fake-kafka", folder, command)

    def start(self) -> None:
        self.process.launch()
        self.process.wait_ready(self._answers, READY_TIMEOUT_S)

    def stop(self) -> None:
        self.process.stop()

    @property
    def bootstrap(self) -> str:
        return self.ask("GET", "/cluster")["bootstrap"]

    @property
    def registry_url(self) -> str:
        return self.control + "/registry"

    def register(self, subject: str, schema: str) -> int:
        """The id of the schema."""
        return self.ask("POST", f"/registry/subjects/{urllib.parse.quote(subject)}/versions", {"schema": schema})["id"]

    def produce(self, topic: str, records: Iterable[tuple[int, str, bytes]]) -> None:
        """Records of (partition, key, value), past all rules. They are in the log when this returns."""
        rows = [
            {"partition": partition, "key": key, "value": base64.b64encode(value).decode()}
            for partition, key, value in records
        ]
        self.ask("POST", "/produce", {"topic": topic, "records": rows})

    def check(self, source: str, *outputs: str) -> None:
        """Every commit for `source` is checked from now on; see state()."""
        self.ask("POST", "/check", {"source": source, "outputs": list(outputs)})

    def state(self) -> dict:
        """Records, outputs, missing, repeated, lag, and what was wrong at commits."""
        return self.ask("GET", "/state")

    def rule(self, do: str, *apis: int, **selected) -> int:
        """The rule's id. The first rule that applies to a request is the only one."""
        return self.ask("POST", "/rules", {"do": do, "apis": list(apis)} | selected)["id"]

    def applied(self, rule: int) -> int:
        """How often."""
        return next(each["applied"] for each in self.ask("GET", "/rules") if each["id"] == rule)

    def drop_rule(self, rule: int) -> None:
        self.ask("DELETE", f"/rules?id={rule}")

    def requests(self, api: int) -> list[dict]:
        """The requests, in order: ms, broker, topic, partition, did, code."""
        return self.ask("GET", f"/journal?api={api}")

    def move_leader(self, topic: str, partition: int) -> int:
        """To the next broker, which is returned."""
        return self.ask("POST", "/leader", {"topic": topic, "partition": partition})["broker"]

    def move_coordinator(self, group: str) -> int:
        """To another broker, which is returned."""
        return self.ask("POST", "/coordinator", {"group": group})["broker"]

    def add_partitions(self, topic: str, count: int) -> None:
        """`count` is the number of partitions that the topic has then."""
        self.ask("POST", "/partitions", {"topic": topic, "count": count})

    def ask(self, method: str, path: str, body: dict | None = None):
        request = urllib.request.Request(
            self.control + path, method=method, data=None if body is None else json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise ServerError(f"fake_kafka: {method} {path}: {refusal.read().decode()}") from None

    def _answers(self) -> bool:
        try:
            return bool(self.bootstrap)
        except OSError:
            return False


def started(folder: pathlib.Path, topics: dict[str, int]) -> Iterator[FakeKafka]:
    """For a fixture: running until the test has ended."""
    cluster = FakeKafka(folder, topics)
    cluster.start()
    yield cluster
    cluster.stop()


if __name__ == "__main__":
    print(program())
