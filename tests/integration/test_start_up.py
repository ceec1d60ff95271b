"""What a person sees when the application cannot start: one message that says what, where and what to do, an exit code
that distinguishes a wrong configuration (78) from a wrong environment (1), no stack trace, no hang, and no secret."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import socket
import subprocess

import pytest

from integration import navigation
from integration.application import Application, program
from servers.process import free_port

CONFIGURATION = 78
ENVIRONMENT = 1
ENDS_WITHIN_S = 90.0
CANARY = "canary-4f1c"  # the wrong password: as secret as the right one
TRACES = re.compile(r"terminate called|Aborted|panicked|backtrace|Assertion|invariant|\bwhat\(\)|\.(cc|rs|h):\d+")
KEYSPACE = "CREATE KEYSPACE {} WITH replication = {{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}}"
PROFILES = "CREATE TABLE {}.visitor_profile (visitor_id text PRIMARY KEY, segment text, score double)"
VISITS = """CREATE TABLE {}.visit (visitor_id text, event_time timestamp, event_id uuid, partner_id int, kind text, url text,
    {} segment text, score double, products {}, PRIMARY KEY ((visitor_id), event_time, event_id))"""


@dataclasses.dataclass
class Ending:
    code: int
    said: str  # on standard error

    def check(self, code: int, *words: str) -> None:
        """The code, and every one of `words` in the one message."""
        assert self.code == code, self.said
        errors = [line for line in self.said.splitlines() if re.search(r"level=error |: error\[", line)]
        assert len(errors) == 1, self.said
        missing = [word for word in words if word not in self.said]
        assert not missing, f"{missing} is not in: {self.said}"
        self.check_clean()

    def check_clean(self) -> None:
        assert not TRACES.search(self.said), self.said
        assert CANARY not in self.said


def ending_of(*arguments: str) -> Ending:
    """Runs the program to its end. Too late an end is an error."""
    ended = subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    return Ending(ended.returncode, ended.stderr)


def start(application: Application) -> Ending:
    ending = ending_of("run", str(application.config_file), "--set", "engine.start_timeout=0s")
    for secret in application.folder.glob("*-password"):
        assert secret.read_text() not in ending.said
    return ending


def made_for(servers: tuple, run_folder: pathlib.Path, request) -> Application:
    kafka, cassandra, registry = servers
    navigation.prepare(kafka, cassandra, [])
    folder = run_folder / re.sub(r"\W+", "-", request.node.name)
    return Application(folder, kafka, cassandra, registry, group=folder.name)


@pytest.fixture
def application(stack, run_folder: pathlib.Path, request) -> Application:
    """One that would start, before the test spoils something."""
    return made_for(stack, run_folder, request)


@pytest.fixture
def secure_application(secure_stack, run_folder: pathlib.Path, request) -> Application:
    return made_for(secure_stack, run_folder, request)


def execute(cassandra, *statements: str) -> None:
    session = cassandra.session()
    for statement in statements:
        session.execute(statement)
    session.cluster.shutdown()


# Schemas and configuration


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ('{"type": "record", "name": "Visit", "fields": [{"name": "id", "type": "strin"}]}', "strin"),
        ('{"type": "record", "name": "Visit", "fields": [', "JSON"),
    ],
)
def test_wrong_schema_file(run_folder: pathlib.Path, schema: str, word: str):
    file, header = run_folder / "broken.avsc", run_folder / "broken.h"
    file.write_text(schema)
    ending = ending_of("codegen", str(file), "--output", str(header))
    assert ending.code == CONFIGURATION
    assert len(ending.said.splitlines()) == 1 and str(file) in ending.said and word in ending.said
    ending.check_clean()
    assert not header.exists()


def test_missing_schema_file(run_folder: pathlib.Path):
    ending = ending_of("codegen", str(run_folder / "nowhere.avsc"))
    assert ending.code == CONFIGURATION
    assert len(ending.said.splitlines()) == 1 and "nowhere.avsc" in ending.said


def test_unknown_key(application: Application):
    application.configure("cql", kespace="other")
    start(application).check(CONFIGURATION, "kespace", "keyspace", str(application.config_file))


def test_missing_configuration_file(run_folder: pathlib.Path):
    ending_of("run", str(run_folder / "nowhere.yaml")).check(CONFIGURATION, "nowhere.yaml")


def test_missing_secret_file(application: Application):
    application.configure("cql", user="somebody", password="${file:/nowhere/password}")
    start(application).check(CONFIGURATION, "cql", "/nowhere/password")


def test_unknown_kafka_property(application: Application):
    application.configure("kafka", properties={"sasl.pasword": CANARY})
    start(application).check(CONFIGURATION, "sasl.pasword", "did you mean 'sasl.password'")


def test_busy_admin_port(application: Application):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", application.admin_port))
        taken.listen()
        start(application).check(ENVIRONMENT, f"127.0.0.1:{application.admin_port}", "admin.port")


# Unreachable


def test_unreachable_broker(application: Application):
    nobody = f"127.0.0.1:{free_port()}"
    application.configure("kafka", bootstrap_servers=nobody)
    start(application).check(ENVIRONMENT, nobody, "refused", "check the address")


def test_unreachable_database(application: Application):
    nobody = f"127.0.0.1:{free_port()}"
    application.configure("cql", contact_points=[nobody])
    start(application).check(ENVIRONMENT, nobody, "refused", "cql.contact_points")


def test_unreachable_registry(application: Application):
    nobody = f"http://127.0.0.1:{free_port()}"
    application.configure("registry", urls=[nobody])
    start(application).check(ENVIRONMENT, nobody, "refused", "registry.urls")


def test_waits_for_an_unreachable_dependency_and_stops_on_request(application: Application):
    nobody = f"http://127.0.0.1:{free_port()}"
    application.configure("registry", urls=[nobody])
    application.launch()
    application.wait_until_not_ready_because(nobody)
    assert application.stop() == 0
    said = application.process.log_tail()
    assert "event=waiting" in said and "level=error" not in said, said


# TLS and passwords


def test_wrong_authority_for_kafka(secure_application: Application, certificates):
    kafka = secure_application.config["kafka"]
    properties = kafka["properties"] | {"ssl.ca.location": str(certificates.unrelated_ca)}
    secure_application.configure("kafka", properties=properties)
    start(secure_application).check(ENVIRONMENT, kafka["bootstrap_servers"], "certificate verify", "ssl.ca.location")


def test_wrong_authority_for_the_database(secure_application: Application, certificates, secure_cassandra):
    secure_application.configure("cql", ca_file=str(certificates.unrelated_ca))
    ending = start(secure_application)
    ending.check(ENVIRONMENT, secure_cassandra.contact_point, "certificate is not accepted", "cql.ca_file")


def test_wrong_authority_for_the_registry(secure_application: Application, certificates):
    secure_application.configure("registry", ca_file=str(certificates.unrelated_ca))
    url = secure_application.config["registry"]["urls"][0]
    start(secure_application).check(ENVIRONMENT, url, "certificate", "registry.ca_file")


@pytest.mark.parametrize(
    ("section", "settings", "key"),
    [
        ("kafka", {"properties": {"ssl.ca.location": "/nowhere/ca.pem"}}, "kafka.properties.ssl.ca.location"),
        ("cql", {"tls": True, "ca_file": "/nowhere/ca.pem"}, "cql.ca_file"),
        ("registry", {"ca_file": "/nowhere/ca.pem"}, "registry.ca_file"),
    ],
    ids=["kafka", "cql", "registry"],
)
def test_missing_authority_file(application: Application, section: str, settings: dict, key: str):
    application.configure(section, **settings)
    start(application).check(CONFIGURATION, f"`{key}`", "/nowhere/ca.pem", "No such file")


def test_wrong_password_for_kafka(secure_application: Application):
    kafka = secure_application.config["kafka"]
    wrong = secure_application.secret("kafka-password", CANARY)
    secure_application.configure("kafka", properties=kafka["properties"] | {"sasl.password": wrong})
    start(secure_application).check(ENVIRONMENT, kafka["bootstrap_servers"], "uthentication", "user and password")


def test_wrong_password_for_the_database(secure_application: Application, secure_cassandra):
    secure_application.configure("cql", password=secure_application.secret("cassandra-password", CANARY))
    ending = start(secure_application)
    ending.check(ENVIRONMENT, secure_cassandra.contact_point, "password are incorrect", "cql.password")


# Tables


def test_missing_keyspace(application: Application):
    application.configure("cql", keyspace="no_such_keyspace")
    start(application).check(ENVIRONMENT, "no_such_keyspace", "cql.keyspace")


@pytest.mark.parametrize(
    ("keyspace", "tables", "code", "words"),
    [
        ("no_table", [PROFILES], ENVIRONMENT, ["statement 'insert visit'", "create the missing tables"]),
        (
            "no_column",
            [PROFILES, VISITS.format("{}", "", "int")],
            ENVIRONMENT,
            ["statement 'insert visit'", "country", "create the missing tables"],
        ),
        (
            "other_type",
            [PROFILES, VISITS.format("{}", "country text,", "text")],
            CONFIGURATION,
            ["statement 'insert visit'", "products", "int", "text"],
        ),
    ],
    ids=["missing table", "missing column", "type mismatch"],
)
def test_wrong_table(application: Application, cassandra, keyspace: str, tables: list[str], code: int, words: list[str]):
    execute(cassandra, KEYSPACE.format(keyspace), *(table.format(keyspace) for table in tables))
    application.configure("cql", keyspace=keyspace)
    start(application).check(code, *words)


# Topics


def test_missing_source_topic(application: Application):
    application.configure("kafka", topics=[navigation.SOURCE_TOPIC, "no-such-source"])
    start(application).check(ENVIRONMENT, "topic 'no-such-source'", "create the topic")


def test_missing_output_topic(application: Application):
    application.configure("engine", outputs={navigation.FEED_TOPIC: "no-such-feed"})
    start(application).check(ENVIRONMENT, "topic 'no-such-feed'", "create the topic")


def test_missing_dead_letter_topic(application: Application):
    application.configure("engine", dead_letter_topic="no-such-letters")
    start(application).check(ENVIRONMENT, "topic 'no-such-letters'", "create the topic")


def test_unknown_output(application: Application):
    application.configure("engine", outputs={"enriched-visit": "elsewhere"})
    start(application).check(CONFIGURATION, "engine.outputs", "'enriched-visit'", navigation.FEED_TOPIC)
