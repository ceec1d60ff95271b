"""Our registry client and our double beside the official Python client and a real registry.

Every test with the fixture `served` runs against the real registry and against the double, so that the double is proved
by the same clients."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import uuid
from typing import Iterator

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from servers.access import RegistryAccess
from servers.registry import Registry
from servers.state import BUILD

VISIT = json.dumps(
    {
        "type": "record",
        "name": "Visit",
        "namespace": "tracking",
        "fields": [
            {"name": "visitor", "type": "string"},
            {"name": "count", "type": "long"},
            {"name": "referrer", "type": ["null", "string"], "default": None},
        ],
    }
)
PAGE = json.dumps({"type": "record", "name": "Page", "fields": [{"name": "url", "type": "string"}]})
CLICK = json.dumps(
    {"type": "record", "name": "Click", "fields": [{"name": "page", "type": "Page"}, {"name": "x", "type": "int"}]}
)
JSON_SCHEMA = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {}})
ENDS_WITHIN_S = 30.0


def driver() -> str:
    path = BUILD / "dev" / "tests" / "integration" / "registry_driver"
    if not path.exists():
        raise FileNotFoundError(f"{path} was not built; ./dev test integration builds it")
    return str(path)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


class Double(RegistryAccess):
    """The double as a process of its own."""

    def __init__(self, **options: str):
        words = [f"{key}={value}" for key, value in options.items()]
        self._process = subprocess.Popen(
            [driver(), "serve", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        super().__init__(self._process.stdout.readline().strip())

    def stop(self) -> None:
        self._process.communicate(timeout=ENDS_WITHIN_S)


class Ours:
    """Our client, controlled through the driver."""

    def __init__(self, access: RegistryAccess, **options):
        options = {"urls": [access.url]} | ({"ca_file": access.ca} if access.ca else {}) | options
        self._process = subprocess.Popen(
            [driver(), "ask", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str, **command) -> dict:
        self._process.stdin.write(json.dumps({"do": what} | command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate(timeout=ENDS_WITHIN_S)


@pytest.fixture
def double() -> Iterator[Double]:
    server = Double()
    yield server
    server.stop()


@pytest.fixture(params=["real", "double"])
def served(request) -> RegistryAccess:
    return request.getfixturevalue("registry" if request.param == "real" else "double")


@pytest.fixture
def ours(served: RegistryAccess) -> Iterator[Ours]:
    client = Ours(served)
    yield client
    client.stop()


@pytest.fixture
def official(served: RegistryAccess) -> SchemaRegistryClient:
    return served.client()


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def test_both_clients_register_a_schema_under_one_id(ours: Ours, official: SchemaRegistryClient):
    subject = unique("subject")
    schema_id = official.register_schema(subject, Schema(VISIT, "AVRO"))
    assert ours.ask("register", subject=subject, schema=VISIT) == {"id": schema_id}
    assert json.loads(ours.ask("fetch", id=schema_id)["schema"]) == json.loads(VISIT)


def test_the_official_client_reads_our_schemas(ours: Ours, official: SchemaRegistryClient):
    subject = unique("subject")
    schema_id = ours.ask("register", subject=subject, schema=VISIT)["id"]
    assert json.loads(official.get_schema(schema_id).schema_str) == json.loads(VISIT)
    assert official.get_latest_version(subject).schema_id == schema_id
    assert subject in official.get_subjects()


def test_data_of_the_official_serializer_is_read(ours: Ours, official: SchemaRegistryClient):
    topic = unique("topic")
    visit = {"visitor": "Zoë", "count": 2**40, "referrer": "https://example.org"}
    message = AvroSerializer(official, VISIT)(visit, value_of(topic))
    expected = {"visitor": "Zoë", "count": 2**40, "referrer": {"string": "https://example.org"}}
    assert ours.ask("decode", message=message.hex()) == {"datum": expected}


def test_the_official_deserializer_reads_our_data(ours: Ours, official: SchemaRegistryClient):
    topic = unique("topic")
    datum = {"visitor": "v-1", "count": -3, "referrer": None}
    message = bytes.fromhex(ours.ask("encode", subject=f"{topic}-value", schema=VISIT, datum=datum)["message"])
    assert AvroDeserializer(official)(message, value_of(topic)) == datum


def test_a_schema_with_references_is_read_whole(ours: Ours, official: SchemaRegistryClient):
    page, click = unique("page"), unique("click")
    official.register_schema(page, Schema(PAGE, "AVRO"))
    version = official.get_latest_version(page).version
    schema_id = official.register_schema(
        click, Schema(CLICK, "AVRO", [SchemaReference(name="Page", subject=page, version=version)])
    )
    found = ours.ask("fetch", id=schema_id)
    assert [json.loads(each)["name"] for each in found["references"]] == ["Page"]
    body = io.BytesIO()
    named: dict = {}
    fastavro.parse_schema(json.loads(PAGE), named)
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(CLICK), named), {"page": {"url": "/"}, "x": 7})
    message = struct.pack(">bI", 0, schema_id) + body.getvalue()
    assert ours.ask("decode", message=message.hex()) == {"datum": {"page": {"url": "/"}, "x": 7}}


def test_the_official_client_reads_our_schemas_with_references(ours: Ours, official: SchemaRegistryClient):
    page, click = unique("page"), unique("click")
    ours.ask("register", subject=page, schema=PAGE)
    references = [{"name": "Page", "subject": page, "version": 1}]
    schema_id = ours.ask("register", subject=click, schema=CLICK, references=references)["id"]
    assert [each.subject for each in official.get_schema(schema_id).references] == [page]


def test_a_reference_that_was_deleted_is_still_read(ours: Ours, official: SchemaRegistryClient, served):
    if not isinstance(served, Double):
        pytest.skip("the real registry deletes for good")
    page, click = unique("page"), unique("click")
    official.register_schema(page, Schema(PAGE, "AVRO"))
    schema_id = official.register_schema(
        click, Schema(CLICK, "AVRO", [SchemaReference(name="Page", subject=page, version=1)])
    )
    official.delete_subject(page)
    assert len(ours.ask("fetch", id=schema_id)["references"]) == 1


def test_an_unknown_id_is_not_found_and_not_an_outage(ours: Ours, official: SchemaRegistryClient):
    with pytest.raises(SchemaRegistryError) as refusal:
        official.get_schema(2_000_000_000)
    assert (refusal.value.http_status_code, refusal.value.error_code) == (404, 40403)
    assert ours.ask("fetch", id=2_000_000_000)["error"] == "schema_not_found"


def test_versions_are_found_by_number_and_as_the_latest(ours: Ours, official: SchemaRegistryClient):
    subject = unique("subject")
    first = official.register_schema(subject, Schema('"string"', "AVRO"))
    second = official.register_schema(subject, Schema('"bytes"', "AVRO"))
    assert ours.ask("find", subject=subject, version=1)["id"] == first
    assert ours.ask("find", subject=subject, version=-1)["id"] == second
    assert ours.ask("find", subject=subject, version=9)["error"] == "schema_not_found"
    assert ours.ask("find", subject=unique("nobody"), version=1)["error"] == "schema_not_found"


def test_a_json_schema_is_refused_by_its_type(ours: Ours, official: SchemaRegistryClient):
    schema_id = official.register_schema(unique("subject"), Schema(JSON_SCHEMA, "JSON"))
    refused = ours.ask("fetch", id=schema_id)
    assert refused["error"] == "unsupported" and "JSON" in refused["message"]


def test_compatibility_is_the_registrys_verdict(registry: Registry):
    ours = Ours(registry)
    subject = unique("subject")
    registry.client().register_schema(subject, Schema(VISIT, "AVRO"))
    registry.client().set_compatibility(subject, "BACKWARD")
    changed = json.loads(VISIT)
    changed["fields"].append({"name": "added", "type": "string"})
    assert ours.ask("compare", subject=subject, schema=VISIT)["compatible"]
    assert not ours.ask("compare", subject=subject, schema=json.dumps(changed))["compatible"]
    assert ours.ask("register", subject=subject, schema=json.dumps(changed))["error"] == "schema_incompatible"
    assert ours.ask("compare", subject=unique("nobody"), schema=VISIT)["compatible"]
    ours.stop()


def test_the_real_registry_is_reached_over_tls(secure_registry: Registry, certificates):
    ours = Ours(secure_registry)
    assert ours.ask("check") == {}
    assert "id" in ours.ask("register", subject=unique("subject"), schema=VISIT)
    ours.stop()
    trusting_another = Ours(secure_registry, ca_file=str(certificates.unrelated_ca))
    refused = trusting_another.ask("check")
    assert refused["error"] == "tls_error" and "certificate" in refused["message"]
    trusting_another.stop()


def test_the_cache_serves_while_the_real_registry_is_down(registry: Registry, tmp_path):
    """A restart forgets every schema; what was fetched before is still read, and registrations are known."""
    subject = unique("subject")
    before = Ours(registry, cache_folder=str(tmp_path))
    schema_id = before.ask("register", subject=subject, schema=VISIT)["id"]
    message = before.ask("encode", subject=subject, schema=VISIT, datum={"visitor": "v", "count": 1, "referrer": None})
    assert "datum" in before.ask("decode", message=message["message"])
    before.stop()
    registry.kill()
    after = Ours(registry, cache_folder=str(tmp_path))
    assert after.ask("check")["error"] == "registry_unavailable"
    assert after.ask("decode", message=message["message"])["datum"]["visitor"] == "v"
    assert after.ask("register", subject=subject, schema=VISIT) == {"id": schema_id}
    assert after.ask("fetch", id=1_999_999_999)["error"] == "registry_unavailable"
    after.stop()


def test_basic_credentials_reach_the_double_from_both_clients():
    server = Double(user="app", password="s3cret")
    official = SchemaRegistryClient({"url": server.url, "basic.auth.user.info": "app:s3cret"})
    schema_id = official.register_schema("s", Schema(VISIT, "AVRO"))
    ours = Ours(server, user="app", password="s3cret")
    assert "schema" in ours.ask("fetch", id=schema_id)
    ours.stop()
    wrong = Ours(server, user="app", password="canary-4f1c")
    refused = wrong.ask("fetch", id=schema_id)
    assert refused["error"] == "registry_unauthorized" and "canary" not in refused["message"]
    wrong.stop()
    server.stop()


def test_client_credentials_reach_the_double():
    server = Double(oauth_client="app", oauth_secret="s3cret")
    oauth = {"token_url": f"{server.url}/oauth/token", "client_id": "app", "client_secret": "s3cret"}
    ours = Ours(server, oauth=oauth)
    assert ours.ask("check") == {}
    assert ours.ask("register", subject="s", schema=VISIT) == {"id": 1}
    ours.stop()
    server.stop()
