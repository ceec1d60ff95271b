"""An application on a fake cluster, the relay (relay/) or another: its configuration, its records, its lives."""

from __future__ import annotations

import io
import json
import pathlib
import time
from typing import Callable

import confluent_kafka
import fastavro
import yaml

from servers.process import ServerError, free_port
from servers.state import BUILD

from .fake_kafka import FakeKafka
from .member import Life, Member

SOURCE, OUTPUTS, DEAD_LETTERS = "source", "outputs", "dead-letters"
PARTITIONS = 6
TOPICS = {SOURCE: PARTITIONS, OUTPUTS: PARTITIONS, DEAD_LETTERS: PARTITIONS}
GROUP = "relay"
TRANSACTION_TIMEOUT_S = 20.0
SCHEMA = pathlib.Path(__file__).parent / "relay" / "schemas" / "message.avsc"
LOOK_S = 0.1
NOTE = "x" * 400


def program(name: str = "relay", preset: str = "dev") -> str:
    path = BUILD / preset / "tests" / "faults" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} was not built; ./dev test faults builds it")
    return str(path)


def until(holds: Callable[[], bool], within_s: float) -> bool:
    """Whether it came to hold. The bound proves that something does not hang; nothing is to be read into less."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)
    return True


class Relay:
    """One process of the application, and the records that it is given.

    `application`: its program; `sections`: settings of other sections; `kafka`: settings of the section `kafka`.
    """

    def __init__(
        self, folder: pathlib.Path, cluster: FakeKafka, application: str = "relay", sections: dict | None = None, **kafka
    ):
        self.cluster = cluster
        self.written = 0
        schema = SCHEMA.read_text()
        self._schema = fastavro.parse_schema(json.loads(schema))
        self._frame = b"\0" + cluster.register("source-value", schema).to_bytes(4, "big")
        port = free_port()
        self.config = {
            "kafka": {
                "bootstrap_servers": cluster.bootstrap,
                "group": GROUP,
                "topics": [SOURCE],
                "properties": {"topic.metadata.refresh.interval.ms": "500"},
            }
            | kafka,
            "registry": {"urls": [cluster.registry_url]},
            "engine": {
                "workers": 1,
                "dead_letter_topic": DEAD_LETTERS,
                "commit_interval": "100ms",
                "drain_timeout": "3s",
                "retry": {"attempts_max": 3, "backoff_first": "10ms", "backoff_max": "50ms"},
            },
            "admin": {"port": port},
        }
        for section, settings in (sections or {}).items():
            self.config[section] = self.config.get(section, {}) | settings
        if self.config["kafka"].get("protocol") != "consumer":  # there it is the brokers' to say
            self.config["kafka"]["properties"]["session.timeout.ms"] = "6000"
        self._config_file = folder / "config.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        self._config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))
        self.member = Member(application, folder, [program(application), "run", str(self._config_file)], port)

    def start(self) -> None:
        """Returns when it is ready, which it is when it has its partitions."""
        self.member.start()
        self.wait_for_partitions(PARTITIONS)

    def wait_for_partitions(self, count: int) -> None:
        if not until(lambda: len(self.member.partitions() or ()) == count, 30):
            raise ServerError(f"it has not got {count} partitions\n{self.member.account()}")

    def start_or_end(self) -> None:
        """Returns when it is ready or has ended: for a life that may not get far."""
        try:
            self.member.start()
        except ServerError:
            if self.running:
                raise

    def stop(self) -> Life:
        return self.member.stop()

    @property
    def running(self) -> bool:
        return self.member.running

    @property
    def log(self) -> str:
        return self.member.process.log.read_text(errors="replace")

    def give(self, count: int, action: str = "relay", number: int = 0, partition: int | None = None) -> list[str]:
        """Writes records to the source, round robin unless a partition is named; returns their keys."""
        rows = []
        for _ in range(count):
            to = self.written % PARTITIONS if partition is None else partition
            rows.append((to, self._next_key(), self._value(action, number)))
        self.cluster.produce(SOURCE, rows)
        return [key for _, key, _ in rows]

    def give_steadily(self, slices: int, size: int, partition: int | None = None, pause_s: float = 0.02) -> None:
        """`slices` times `size` records with pauses between them: a load, for faults that need one."""
        for _ in range(slices):
            self.give(size, partition=partition)
            time.sleep(pause_s)

    def give_in_transactions(self, transactions: int, size: int, partition: int) -> None:
        """`size` records in each transaction: behind them the log has a marker, which no reader gets."""
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.cluster.bootstrap, "transactional.id": "transactions", "linger.ms": 0}
        )
        producer.init_transactions(TRANSACTION_TIMEOUT_S)
        for _ in range(transactions):
            producer.begin_transaction()
            for _ in range(size):
                producer.produce(SOURCE, self._value("relay", 0), key=self._next_key(), partition=partition)
            producer.commit_transaction(TRANSACTION_TIMEOUT_S)

    def settles(self, within_s: float) -> bool:
        """Whether everything that was given was committed."""

        def settled() -> bool:
            state = self.cluster.state()
            return state["lag"] == 0 and state["source"] == self.written

        return until(lambda: settled() or not self.running, within_s) and settled()

    def _next_key(self) -> str:
        self.written += 1
        return f"k{self.written - 1}"

    def _value(self, action: str, number: int) -> bytes:
        into = io.BytesIO()
        fastavro.schemaless_writer(into, self._schema, {"action": action, "count": number, "note": NOTE})
        return self._frame + into.getvalue()
