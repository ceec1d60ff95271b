"""Reading the configuration of a foreign application."""

from __future__ import annotations

import pathlib

import pytest

from faults import foreign

CONFIG = {
    "kafka": {
        "bootstrap_servers": "broker:9092",
        "group": "${env:FAULTS_GROUP}",
        "topics": ["orders", "returns"],
        "instance_id": "pod-7",
        "properties": {"security.protocol": "SASL_SSL", "sasl.password": "", "session.timeout.ms": 6000},
    },
    "engine": {"dead_letter_topic": "orders-dlq"},
}


@pytest.fixture
def setup(tmp_path: pathlib.Path, monkeypatch):
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    monkeypatch.setenv("FAULTS_GROUP", "shop")
    CONFIG["kafka"]["properties"]["sasl.password"] = f"${{file:{secret}}}"
    return foreign.application(["sh", "-x"], tmp_path / "config.yaml", CONFIG, tmp_path, 2, "consumer", 1)


def test_the_checker_connects_with_the_settings_of_the_application(setup):
    assert setup.client_config == {
        "bootstrap.servers": "broker:9092",
        "security.protocol": "SASL_SSL",
        "sasl.password": "hush",
    }
    assert (setup.group, setup.topics, setup.dead_letter_topic) == ("shop", ["orders", "returns"], "orders-dlq")


def test_foreign_servers_are_not_restarted_and_effects_are_not_computed(setup):
    assert setup.broker is None and setup.servers is None


def test_processes_differ_in_admin_port_and_static_id_only(setup):
    lines = [" ".join(member.process.command) for member in setup.members]
    assert len({member.process.command[-3] for member in setup.members}) == 1
    assert all(" -x run " in line and "--set kafka.protocol=consumer" in line for line in lines)
    assert "--set kafka.instance_id=pod-7-1" in lines[0] and "--set kafka.instance_id=pod-7-2" in lines[1]
    assert all("hush" not in line for line in lines)


@pytest.mark.parametrize(
    "command, config, because",
    [
        (["no-such-program"], CONFIG, "program not found: no-such-program"),
        (["sh"], {"kafka": CONFIG["kafka"]}, "does not name 'engine'"),
        (["sh"], {**CONFIG, "kafka": {**CONFIG["kafka"], "group": "${env:FAULTS_UNSET}"}}, "FAULTS_UNSET"),
    ],
)
def test_an_unusable_configuration_is_one_message(tmp_path: pathlib.Path, command, config, because: str):
    with pytest.raises(foreign.Unusable, match=because):
        foreign.application(command, tmp_path / "config.yaml", config, tmp_path, 2, None, 1)
