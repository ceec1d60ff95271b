"""The JSON Schema that `config schema` prints accepts what the program accepts, and refuses what it refuses."""

from __future__ import annotations

import functools
import json
import pathlib
import subprocess

import jsonschema
import pytest
import yaml

from observability.made import BUILD, PROGRAM, ROOT

EXAMPLES = sorted(ROOT.glob("examples/*/config.yaml"))
SMALLEST = {
    "kafka": {"bootstrap_servers": "b:9092", "group": "g", "topics": ["t"]},
    "registry": {"urls": ["http://registry:8081"]},
    "cql": {"contact_points": ["database"]},
    "engine": {"dead_letter_topic": "t-dlq"},
}


@functools.cache
def validator(program: pathlib.Path = PROGRAM) -> jsonschema.Draft202012Validator:
    printed = subprocess.run([program, "config", "schema"], capture_output=True, check=True, timeout=60).stdout
    schema = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def program_accepts(document: object, folder: pathlib.Path) -> bool:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    return subprocess.run([PROGRAM, "validate", file], capture_output=True, timeout=60).returncode == 0


def with_setting(path: str, value: object) -> dict:
    document = json.loads(json.dumps(SMALLEST))
    *sections, key = path.split(".")
    within = document
    for section in sections:
        within = within.setdefault(section, {})
    within[key] = value
    return document


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid(example: pathlib.Path):
    name = example.parent.name
    program = BUILD / "dev" / "examples" / name / name  # its schema has the settings of the application
    assert not list(validator(program).iter_errors(yaml.safe_load(example.read_text())))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("engine.drain_timeout", "1m30s"),
        ("engine.drain_timeout", "1.5s"),
        ("engine.drain_timeout", 0),
        ("engine.memory_max", "64 MiB"),
        ("engine.memory_max", 67108864),
        ("engine.order", "key"),
        ("engine.retry.jitter", 0.25),
        ("engine.workers", "${env:WORKERS:-2}"),
        ("kafka.properties", {"fetch.min.bytes": 1, "security.protocol": "ssl"}),
        ("engine.stuck_after", "20s"),
        ("engine.record_bytes_max", "1MiB"),
        ("engine.retry.attempts_max", 0),
        ("kafka.producer.linger", "20ms"),
        ("lookups", []),
        ("admin.token", "${env:TOKEN:-x}"),
        ("tap", None),
    ],
)
def test_schema_and_program_accept_the_same(setting: str, value: object, tmp_path: pathlib.Path):
    document = with_setting(setting, value)
    assert not list(validator().iter_errors(document))
    assert program_accepts(document, tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("engine.drain_timout", "5s"),
        ("engine.drain_timeout", 5),
        ("engine.drain_timeout", "5 parsecs"),
        ("engine.memory_max", "64 MiBs"),
        ("engine.order", "sometimes"),
        ("engine.workers", 257),
        ("engine.retry.jitter", 1.5),
        ("engine.ignore_trailing_bytes", "yes"),
        ("kafka.topics", "t"),
        ("kafka.group", ""),
        ("kafka.properties", {"a": ["b"]}),
        ("lookups", [{"ttl": "1m"}]),
        ("metrics.buckets.decode", ["soon"]),
    ],
)
def test_schema_and_program_refuse_the_same(setting: str, value: object, tmp_path: pathlib.Path):
    document = with_setting(setting, value)
    assert list(validator().iter_errors(document))
    assert not program_accepts(document, tmp_path)


def test_each_setting_has_a_description():
    def settings(schema: dict, path: str):
        for key, one in schema.get("properties", {}).items():
            yield f"{path}{key}", one
            yield from settings(one, f"{path}{key}.")
            yield from settings(one.get("items", {}), f"{path}{key}[].")

    without = [path for path, one in settings(validator().schema, "") if "description" not in one and not one.get("deprecated")]
    assert not without
