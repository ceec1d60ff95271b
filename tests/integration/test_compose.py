"""deploy/compose, as far as it can be checked without a container engine."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from servers.state import access_of, load

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "compose"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def test_compose_defines_the_three_servers():
    assert set(SERVICES) == {"kafka", "schema-registry", "scylla"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_an_exact_tag(name: str):
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_the_loopback_only(name: str):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_server_has_a_health_check(name: str):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_state_file_names_the_published_ports():
    kafka, cassandra, registry = access_of(load(FOLDER))
    published = {name: [port.rsplit(":", 1)[0] for port in service["ports"]] for name, service in SERVICES.items()}
    assert kafka.bootstrap in published["kafka"]
    assert cassandra.contact_point in published["scylla"]
    assert registry.url.removeprefix("http://") in published["schema-registry"]


def test_kafkas_listeners_agree_with_each_other():
    environment = SERVICES["kafka"]["environment"]
    assert "HOST://127.0.0.1:9092" in environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
    names = {listener.split("://")[0] for listener in environment["KAFKA_LISTENERS"].split(",")}
    mapped = {pair.split(":")[0] for pair in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert names == mapped
