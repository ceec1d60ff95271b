"""`prepare` on real servers, and `dev` and `validate --schema` without any, with the example as the application."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest

from integration import navigation
from integration.application import Application, program

DATA = pathlib.Path(__file__).resolve().parents[2] / "libs" / "workload" / "data"
TABLES = DATA / "tables.cql"
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "navigation" / "config.yaml"
ENDS_WITHIN_S = 120.0


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=ENDS_WITHIN_S)


@pytest.fixture
def application(stack, run_folder: pathlib.Path, request) -> Application:
    kafka, cassandra, registry = stack
    navigation.prepare(kafka, cassandra, [])
    folder = run_folder / re.sub(r"\W+", "-", request.node.name)
    return Application(folder, kafka, cassandra, registry, group=folder.name)


def states(report: str) -> dict[str, str]:
    """Names of topics, subjects and tables, and what the report says of each."""
    lines = [line.split() for line in report.splitlines() if line and not line.startswith(" ")]
    return {words[2]: words[0] for words in lines}


def test_what_is_missing_is_named_at_once_and_created_once(application: Application, tmp_path: pathlib.Path):
    keyspace = f"prepare_{abs(hash(application.group)) % 10**8}"
    schema = tmp_path / "schema.cql"
    schema.write_text(TABLES.read_text().replace("millrace_navigation", keyspace))
    dead_letters, feed = f"{keyspace}-dlq", f"{keyspace}-feed"
    application.configure("cql", keyspace=keyspace)
    application.configure("engine", dead_letter_topic=dead_letters, outputs={"enriched-visits": feed})
    arguments = ("prepare", str(application.config_file), "--schema", str(schema), "--partitions", "3")

    missing = run(*arguments)
    assert missing.returncode == 1, missing.stdout + missing.stderr
    found = states(missing.stdout)
    assert found["navigation"] == "present"
    assert {found[name] for name in (dead_letters, feed, keyspace, f"{keyspace}.visit")} == {"missing"}, missing.stdout
    assert f"--create --topic {feed} --partitions 3" in missing.stdout

    created = run(*arguments, "--create")
    assert created.returncode == 0, created.stdout + created.stderr
    made = states(created.stdout)
    assert {made[name] for name in (dead_letters, feed, keyspace, f"{keyspace}.visit")} == {"created"}, created.stdout
    assert f"{feed}-value" in made

    again = run(*arguments, "--create")
    assert again.returncode == 0
    assert set(states(again.stdout).values()) == {"present"}, again.stdout
    assert "3 partitions" in again.stdout


def test_validate_checks_the_statements_against_the_tables(tmp_path: pathlib.Path):
    assert run("validate", str(EXAMPLE), "--schema", str(TABLES)).returncode == 0
    schema = tmp_path / "schema.cql"
    schema.write_text(TABLES.read_text().replace("segment text", "segment int"))
    refused = run("validate", str(EXAMPLE), "--schema", str(schema))
    assert refused.returncode == 78 and "is int in the database" in refused.stderr, refused.stderr


def test_dev_runs_an_application_until_its_samples_are_processed(tmp_path: pathlib.Path):
    samples = tmp_path / "samples"
    samples.mkdir()
    shutil.copy(DATA / "navigation.avsc", samples / "navigation.avsc")
    ended = run(
        "dev", program(), "--config", str(EXAMPLE), "--schema", str(TABLES), "--samples", str(samples), "--records", "200",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", ended.stdout, re.MULTILINE))
    assert counts["produced"] == counts["received"] == "200", ended.stdout
    assert counts["in_flight"] == "0"
    assert int(counts["done"]) + int(counts["skipped"]) + int(counts["dead_lettered"]) == 200
    assert re.search(r"table millrace_navigation\.visit: \d+ rows", ended.stdout)


def test_dev_refuses_samples_of_a_topic_that_the_application_does_not_use(tmp_path: pathlib.Path):
    (tmp_path / "orders.jsonl").write_text('{"key": "a", "value": 1}\n')
    ended = run("dev", program(), "--config", str(EXAMPLE), "--schema", str(TABLES), "--samples", str(tmp_path))
    assert ended.returncode == 78
    assert "topic 'orders'" in ended.stderr
