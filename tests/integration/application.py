"""The example application as a process of its own: the program, its configuration, its start, its end."""

from __future__ import annotations

import os
import pathlib
import urllib.error
import urllib.request

import yaml

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess
from servers.process import Process, free_port
from servers.state import BUILD

from .navigation import DEAD_LETTER_TOPIC, KEYSPACE, SOURCE_TOPIC

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
SESSION_TIMEOUT_MS = 6_000  # how long the partitions of a killed application wait for their next owner
WORKERS = 2


def program(preset: str = "dev") -> str:
    """The path of what the preset built; what a test runs must have been built before."""
    path = BUILD / preset / "apps" / "millrace" / "millrace"
    if not path.exists():
        raise FileNotFoundError(f"{path} was not built; ./dev test integration builds it")
    return str(path)


class Application:
    """`millrace run config.yaml` in `folder`. Passwords reach it by file reference only."""

    def __init__(
        self,
        folder: pathlib.Path,
        kafka: KafkaAccess,
        cassandra: CassandraAccess,
        registry: RegistryAccess,
        group: str,
    ):
        self.folder = folder
        self.group = group
        self.admin_port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.config = self._configuration(kafka, cassandra, registry)
        self.config_file = folder / "config.yaml"
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))
        self.process = Process("application", folder, [program(), "run", str(self.config_file)])

    def configure(self, section: str, **settings) -> None:
        """Changes settings of a section before a start."""
        self.config[section] |= settings
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def start(self) -> None:
        """Launches and waits until /readyz says yes; again after stop() or kill() for the next life."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        self.process.launch()

    def wait_until_ready(self) -> None:
        self.process.wait_ready(lambda: self._readiness()[0] == 200, READY_TIMEOUT_S)

    def wait_until_not_ready_because(self, word: str) -> None:
        def told() -> bool:
            status, body = self._readiness()
            return status == 503 and word in body

        self.process.wait_ready(told, READY_TIMEOUT_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.stop(STOP_TIMEOUT_S)
        return self.process.exit_code

    def kill(self) -> None:
        self.process.kill()

    @property
    def running(self) -> bool:
        return self.process.running

    def account(self) -> str:
        """For a person, when something went wrong: what it says of itself and the end of its log."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/status", timeout=5) as answer:
                status = answer.read().decode()
        except (urllib.error.URLError, OSError) as failure:
            status = f"no status: {failure}"
        return f"{status}\n{self.process.log_tail()}"

    def _readiness(self) -> tuple[int, str]:
        """Status and body of /readyz; 0 without an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()
        except (urllib.error.URLError, OSError):
            return 0, ""

    def _configuration(self, kafka: KafkaAccess, cassandra: CassandraAccess, registry: RegistryAccess) -> dict:
        config: dict = {
            "kafka": {
                "bootstrap_servers": kafka.bootstrap,
                "group": self.group,
                "topics": [SOURCE_TOPIC],
                "properties": {"session.timeout.ms": str(SESSION_TIMEOUT_MS)},
            },
            "registry": {"urls": [registry.url]},
            "cql": {
                "contact_points": [cassandra.contact_point],
                "keyspace": KEYSPACE,
                "datacenter": cassandra.datacentre,
            },
            "engine": {"workers": WORKERS, "dead_letter_topic": DEAD_LETTER_TOPIC},
            "admin": {"port": self.admin_port},
        }
        if kafka.ca:
            properties = {key: value for key, value in kafka.client_config().items() if key != "bootstrap.servers"}
            properties["sasl.password"] = self.secret("kafka-password", kafka.password)
            config["kafka"]["properties"] |= properties
        if registry.ca:
            config["registry"]["ca_file"] = registry.ca
        if cassandra.ca:
            password = self.secret("cassandra-password", cassandra.password)
            config["cql"] |= {"tls": True, "ca_file": cassandra.ca, "user": cassandra.username, "password": password}
        return config

    def secret(self, name: str, value: str) -> str:
        """A reference to a file of this name that holds the value."""
        file = self.folder / name
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as secret:
            secret.write(value)
        return f"${{file:{file}}}"
