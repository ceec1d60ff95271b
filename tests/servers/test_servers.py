"""The test servers themselves: what tests rely on when they start, break and restart them."""

from __future__ import annotations

import logging
import pathlib
import struct
import subprocess
import sys
import time
import uuid

import pytest
from cassandra import AuthenticationFailed, Unauthorized
from cassandra.cluster import NoHostAvailable
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from servers import Cassandra, Certificates, Fleet, Kafka, Registry, ServerError
from servers.access import CassandraAccess
from servers.process import Process, free_port

TIMEOUT_S = 30.0
KEYSPACE = "CREATE KEYSPACE {} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
SCHEMA = Schema('{"type": "record", "name": "Pair", "fields": [{"name": "a", "type": "long"}]}', "AVRO")


# A vocabulary for the cases.


def unique(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def produce(kafka: Kafka, topic: str, values: list[bytes], **options: str) -> None:
    failures = []
    producer = Producer(kafka.client_config({"acks": "all", "message.timeout.ms": 30_000}, **options))
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(TIMEOUT_S) == 0
    assert failures == []


def consume(kafka: Kafka, topic: str, count: int, **options: str) -> list[bytes]:
    consumer = Consumer(kafka.client_config({"group.id": unique("group"), "enable.auto.commit": False}, **options))
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, TIMEOUT_S)
    consumer.close()
    return [message.value() for message in messages]


def refused_with(config: dict, reason: str) -> bool:
    """Whether a Kafka client with this configuration gets to hear `reason`, in librdkafka's own words."""
    heard = []
    quiet = logging.getLogger("servers.librdkafka")
    consumer = Consumer(
        config | {"group.id": "refused", "error_cb": lambda error: heard.append(error.str())}, logger=quiet
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not any(reason in words for words in heard) and time.monotonic() < deadline:
        consumer.poll(0.1)
    consumer.close()
    return any(reason in words for words in heard)


@pytest.fixture
def quiet_driver():
    """The CQL driver logs refused connections with stacks; here they are the point."""
    logger = logging.getLogger("cassandra")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


# Kafka


def test_kafka_returns_what_was_produced(kafka: Kafka):
    topic = unique("topic")
    kafka.create_topic(topic)
    produce(kafka, topic, [b"one", b"two"])
    assert consume(kafka, topic, 2) == [b"one", b"two"]


def test_kafka_creates_the_requested_partitions(kafka: Kafka):
    topic = unique("topic")
    kafka.create_topic(topic, partitions=20)
    assert len(kafka.admin().list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions) == 20


def test_kafka_creates_no_topic_implicitly(kafka: Kafka):
    consumer = Consumer(kafka.client_config({"group.id": "group", "allow.auto.create.topics": True}))
    absent = unique("absent")
    assert consumer.list_topics(absent, timeout=TIMEOUT_S).topics[absent].error is not None
    consumer.close()
    assert absent not in kafka.admin().list_topics(timeout=TIMEOUT_S).topics


def test_kafka_serves_the_new_group_protocol(kafka: Kafka):
    topic = unique("topic")
    kafka.create_topic(topic)
    produce(kafka, topic, [b"one"])
    config = {"group.id": unique("group"), "group.protocol": "consumer", "auto.offset.reset": "earliest"}
    consumer = Consumer(kafka.client_config(config))
    consumer.subscribe([topic])
    message = consumer.poll(TIMEOUT_S)
    consumer.close()
    assert message is not None and message.value() == b"one"


def test_killed_kafka_keeps_acknowledged_records(kafka: Kafka):
    topic = unique("topic")
    kafka.create_topic(topic)
    values = [b"%d" % i for i in range(500)]
    produce(kafka, topic, values)
    first_pid = kafka.processes[0].pid
    kafka.kill()
    kafka.restart()
    assert kafka.processes[0].pid != first_pid
    assert consume(kafka, topic, len(values)) == values


def test_paused_kafka_answers_only_when_resumed(kafka: Kafka):
    kafka.pause()
    try:
        with pytest.raises(KafkaException):
            AdminClient(kafka.client_config()).list_topics(timeout=1)
    finally:
        kafka.resume()
    assert kafka.admin().list_topics(timeout=TIMEOUT_S).brokers


def test_three_brokers_survive_the_loss_of_one(run_folder: pathlib.Path):
    cluster = Kafka(run_folder / "three-brokers", brokers=3, settings={"min.insync.replicas": "2"})
    try:
        cluster.start()
        cluster.create_topic("topic")
        produce(cluster, "topic", [b"before"])
        cluster.kill(0)
        produce(cluster, "topic", [b"after"])
        cluster.restart(0)
        assert consume(cluster, "topic", 2) == [b"before", b"after"]
    finally:
        cluster.kill()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_secure_kafka_serves_the_right_password(secure_kafka: Kafka, mechanism: str):
    topic = unique("topic")
    secure_kafka.create_topic(topic)
    produce(secure_kafka, topic, [b"secret"], mechanism=mechanism)
    assert consume(secure_kafka, topic, 1, mechanism=mechanism) == [b"secret"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_secure_kafka_refuses_a_wrong_password(secure_kafka: Kafka, mechanism: str):
    config = secure_kafka.client_config({"sasl.password": "wrong"}, mechanism=mechanism)
    assert refused_with(config, "SASL authentication error")


def test_secure_kafka_is_not_trusted_by_an_unrelated_authority(secure_kafka: Kafka, certificates: Certificates):
    config = secure_kafka.client_config({"ssl.ca.location": str(certificates.unrelated_ca)})
    assert refused_with(config, "certificate verify failed")


def test_secure_kafka_refuses_plaintext(secure_kafka: Kafka):
    assert refused_with({"bootstrap.servers": secure_kafka.bootstrap}, "brokers are down")


# Cassandra


def test_cassandra_selects_what_was_inserted(cassandra: Cassandra):
    keyspace = unique("keyspace")
    session = cassandra.session()
    session.execute(KEYSPACE.format(keyspace))
    session.execute(f"CREATE TABLE {keyspace}.pair (a text PRIMARY KEY, b double)")
    session.execute(session.prepare(f"INSERT INTO {keyspace}.pair (a, b) VALUES (?, ?)"), ("key", 0.25))
    assert [tuple(row) for row in session.execute(f"SELECT a, b FROM {keyspace}.pair")] == [("key", 0.25)]
    session.cluster.shutdown()


def test_killed_durable_cassandra_keeps_acknowledged_rows(run_folder: pathlib.Path, quiet_driver):
    node = Cassandra(run_folder / "durable-cassandra", durable=True)
    try:
        session = node.start().session()
        session.execute(KEYSPACE.format("kept"))
        session.execute("CREATE TABLE kept.number (n int PRIMARY KEY)")
        insert = session.prepare("INSERT INTO kept.number (n) VALUES (?)")
        for pending in [session.execute_async(insert, (n,)) for n in range(500)]:
            pending.result()
        node.kill()
        session.cluster.shutdown()
        node.restart()
        session = node.session()
        assert {row.n for row in session.execute("SELECT n FROM kept.number")} == set(range(500))
        session.cluster.shutdown()
    finally:
        node.kill()


def test_secure_cassandra_serves_the_right_password(secure_cassandra: Cassandra):
    keyspace = unique("keyspace")
    session = secure_cassandra.session()
    session.execute(KEYSPACE.format(keyspace))
    session.execute(f"CREATE TABLE {keyspace}.number (n int PRIMARY KEY)")
    session.execute(f"INSERT INTO {keyspace}.number (n) VALUES (1)")
    assert session.execute(f"SELECT n FROM {keyspace}.number").one().n == 1
    with pytest.raises(Unauthorized):
        session.execute("CREATE ROLE intruder")
    session.cluster.shutdown()


def test_secure_cassandra_refuses_a_wrong_password(secure_cassandra: Cassandra, quiet_driver):
    with pytest.raises(NoHostAvailable) as refusal:
        secure_cassandra.session(password="wrong")
    assert all(isinstance(error, AuthenticationFailed) for error in refusal.value.errors.values())


def test_secure_cassandra_is_not_trusted_by_an_unrelated_authority(
    secure_cassandra: Cassandra, certificates: Certificates, quiet_driver
):
    with pytest.raises(NoHostAvailable, match="CERTIFICATE_VERIFY_FAILED"):
        secure_cassandra.session(ca=certificates.unrelated_ca)


def test_secure_cassandra_refuses_plaintext(secure_cassandra: Cassandra, quiet_driver):
    with pytest.raises(NoHostAvailable):
        CassandraAccess(secure_cassandra.port).session()


# Registry


def test_registry_returns_a_registered_schema_by_id(registry: Registry):
    schema_id = registry.client().register_schema(unique("subject") + "-value", SCHEMA)
    again = registry.client().get_schema(schema_id)
    assert "Pair" in again.schema_str


def test_registry_gives_the_same_schema_the_same_id(registry: Registry):
    subject = unique("subject")
    assert registry.client().register_schema(subject, SCHEMA) == registry.client().register_schema(subject, SCHEMA)


def test_registry_answers_40403_for_an_unknown_id(registry: Registry):
    with pytest.raises(SchemaRegistryError) as refusal:
        registry.client().get_schema(2_000_000_000)
    assert (refusal.value.http_status_code, refusal.value.error_code) == (404, 40403)


def test_secure_registry_serves_https(secure_registry: Registry):
    schema_id = secure_registry.client().register_schema(unique("subject"), SCHEMA)
    assert secure_registry.url.startswith("https://")
    assert "Pair" in secure_registry.client().get_schema(schema_id).schema_str


def test_official_serializer_frames_with_the_registered_id(kafka: Kafka, registry: Registry):
    topic = unique("topic")
    framed = AvroSerializer(registry.client(), SCHEMA)({"a": 3}, SerializationContext(topic, MessageField.VALUE))
    magic, schema_id = struct.unpack(">bI", framed[:5])
    assert magic == 0
    assert registry.client().get_latest_version(f"{topic}-value").schema_id == schema_id
    assert framed[5:] == b"\x06"


# Starting, failing, ending


def test_a_server_that_ends_at_once_reports_the_end_of_its_log(tmp_path: pathlib.Path):
    doomed = Process("doomed", tmp_path, [sys.executable, "-c", "print('no disk left'); raise SystemExit(3)"])
    doomed.launch()
    with pytest.raises(ServerError, match=r"(?s)doomed ended with code 3 .*no disk left"):
        doomed.wait_ready(lambda: False, timeout_s=TIMEOUT_S)


def test_a_server_that_never_becomes_ready_is_an_error(tmp_path: pathlib.Path):
    mute = Process(
        "mute", tmp_path, [sys.executable, "-c", "import signal; print('thinking', flush=True); signal.pause()"]
    )
    mute.launch()
    try:
        with pytest.raises(ServerError, match="mute was not ready within 0 s"):
            mute.wait_ready(lambda: False, timeout_s=0.3)
    finally:
        mute.kill()


def test_servers_end_with_the_program_that_started_them(tmp_path: pathlib.Path):
    program = f"""
import os, pathlib, sys
from servers.process import Process
child = Process("child", pathlib.Path({str(tmp_path)!r}), [sys.executable, "-c", "import signal; signal.pause()"])
child.launch()
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    tests = pathlib.Path(__file__).resolve().parents[1]
    run = subprocess.run([sys.executable, "-c", program], cwd=tests, capture_output=True, text=True, timeout=60)
    child = pathlib.Path(f"/proc/{int(run.stdout)}/stat")

    def gone() -> bool:
        try:
            return child.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    deadline = time.monotonic() + TIMEOUT_S
    while not gone() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone()


def test_free_ports_do_not_repeat():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_the_fleet_starts_a_killed_server_again(fleet: Fleet, registry: Registry):
    registry.kill()
    assert fleet.need("registry") == (registry,)
    assert registry.client().get_subjects() == []
