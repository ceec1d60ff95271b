"""Apache Kafka in KRaft mode: one broker (or three) on the loopback, formatted on the fly."""

from __future__ import annotations

import base64
import pathlib
import subprocess
import time
import uuid

from confluent_kafka import KafkaException

from . import maven
from .access import KafkaAccess
from .certificates import Certificates
from .process import Process, ServerError, free_port, listening, port_or_free
from .server import Server

READY_TIMEOUT_S = 120.0
FORMAT_TIMEOUT_S = 120.0
HEAP = "384m"
BROKER_PASSWORD = "broker-kafka-secret"
LOGGING = [
    "-Dorg.slf4j.simpleLogger.logFile=System.out",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
]


class Kafka(Server, KafkaAccess):
    """A cluster of `brokers` combined brokers and controllers.

    Plaintext without `certificates`. With them the only client listener is SASL over TLS with the mechanisms PLAIN
    and SCRAM-SHA-512, and `username`/`password` is the one account that clients have. `settings` are further broker
    properties (`{"log.retention.ms": "1000"}`) and win over the defaults.

    Topics are never created by the way: create_topic() does it.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        certificates: Certificates | None = None,
        brokers: int = 1,
        settings: dict[str, str] | None = None,
        tied: bool = True,
        port: int | None = None,
    ):
        self.folder = folder
        self.certificates = certificates
        self.ports = [port_or_free(port), *(free_port() for _ in range(brokers - 1))]
        bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        if certificates:
            super().__init__(bootstrap, "millrace", "millrace-kafka-secret", str(certificates.ca))
        else:
            super().__init__(bootstrap)
        self._controller_ports = [free_port() for _ in range(brokers)]
        self._settings = settings or {}
        self._cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        self._formatted = False
        self._jars = maven.server_folder("kafka")
        self.processes = [
            Process(f"kafka-{node}" if brokers > 1 else "kafka", folder, self._command(node), tied)
            for node in range(1, brokers + 1)
        ]

    def create_topic(self, name: str, partitions: int = 1, replicas: int = 0, config: dict | None = None) -> None:
        """`replicas` 0 means one on every broker."""
        super().create_topic(name, partitions, replicas or len(self.processes), config)

    def launch(self) -> None:
        if not self._formatted:
            self._format()
        super().launch()

    def wait_ready(self) -> None:
        for process, port in zip(self.processes, self.ports):
            process.wait_ready(lambda: listening(port), READY_TIMEOUT_S)
        started = time.monotonic()
        while (registered := self._registered()) < len(self.processes):
            for process in self.processes:
                if not process.running:
                    raise ServerError(f"{process.name} ended before it was ready\n{process.log_tail()}")
            if time.monotonic() - started > READY_TIMEOUT_S:
                raise ServerError(
                    f"{registered} of {len(self.processes)} brokers registered within {READY_TIMEOUT_S:.0f} s\n"
                    + self.processes[0].log_tail()
                )
            time.sleep(0.1)
        for process in self.processes:
            process.started_in_s += time.monotonic() - started

    def _registered(self) -> int:
        try:
            return len(self.admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return 0

    def _command(self, node: int) -> list[str]:
        command = [maven.java(), f"-Xmx{HEAP}", *maven.SMALL_JVM, *LOGGING, "-cp", maven.class_path(self._jars)]
        return [*command, "kafka.Kafka", str(self._properties_file(node))]

    def _properties_file(self, node: int) -> pathlib.Path:
        return self.folder / f"broker-{node}.properties"

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for node in range(1, len(self.processes) + 1):
            properties = self._properties(node)
            self._properties_file(node).write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
            command = [maven.java(), "-Xmx128m", *maven.SMALL_JVM, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
            command += ["-cp", maven.class_path(self._jars), "kafka.tools.StorageTool", "format"]
            # One argument: an id may begin with a dash.
            command += [f"--cluster-id={self._cluster_id}", "--config", str(self._properties_file(node))]
            if self.certificates:
                for user, password in self._accounts().items():
                    command += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
            run = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S)
            if run.returncode != 0:
                raise ServerError(f"Kafka's storage could not be formatted:\n{run.stdout}{run.stderr}")
        self._formatted = True

    def _accounts(self) -> dict[str, str]:
        return {"broker": BROKER_PASSWORD, self.username: self.password}

    def _properties(self, node: int) -> dict[str, str]:
        replicas = str(len(self.processes))
        voters = ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(self._controller_ports, start=1))
        client = f"CLIENT://127.0.0.1:{self.ports[node - 1]}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "listeners": f"{client},CONTROLLER://127.0.0.1:{self._controller_ports[node - 1]}",
            "advertised.listeners": client,
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "log.dirs": str(self.folder / f"data-{node}"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": "1",
            # A killed broker may register again only when its last session has ended.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "group.consumer.min.session.timeout.ms": "1000",
            "group.consumer.min.heartbeat.interval.ms": "200",
            # Under the protocol "consumer" the brokers decide how long a dead member's partitions wait.
            "group.consumer.session.timeout.ms": "8000",
            "group.consumer.heartbeat.interval.ms": "1000",
            "log.segment.bytes": str(64 << 20),
            "log.index.size.max.bytes": str(1 << 20),
            "log.cleaner.dedupe.buffer.size": str(8 << 20),
            "num.network.threads": "2",
            "num.io.threads": "2",
            "num.recovery.threads.per.data.dir": "1",
        }
        if self.certificates:
            properties |= self._secure_properties(self.certificates)
        return properties | self._settings

    def _secure_properties(self, certificates: Certificates) -> dict[str, str]:
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        accounts = " ".join(f'user_{user}="{password}"' for user, password in self._accounts().items())
        broker = f'username="broker" password="{BROKER_PASSWORD}"'
        return {
            "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": f"{plain} {broker} {accounts};",
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{scram} {broker};",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server.bundle),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.ca),
        }
