"""The commands about the configuration, as an operator uses them, and the example of a deployment against the defaults."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

import yaml

from integration.application import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOYMENT = ROOT / "deploy" / "kubernetes" / "deployment.yaml"
EXAMPLE = ROOT / "examples" / "navigation" / "config.yaml"
CANARY = "canary-4f1c"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=60, env=environment)


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def test_the_grace_period_of_the_deployment_covers_a_stop_with_the_defaults():
    settings = json.loads(run("config", "schema").stdout)["properties"]["engine"]["properties"]
    stop = sum(seconds(settings[f"{name}_timeout"]["default"]) for name in ("drain", "commit", "leave"))
    pod = yaml.safe_load(DEPLOYMENT.read_text())["spec"]["template"]["spec"]
    assert stop <= 25 < pod["terminationGracePeriodSeconds"]


def test_show_names_the_origin_of_each_value():
    shown = run("config", "show", str(EXAMPLE), "--set", "engine.order=key", MILLRACE__KAFKA__GROUP="other").stdout
    origins = dict(re.findall(r"^ +(\w+): .*# (.+)$", shown, re.MULTILINE))
    assert origins["order"] == "--set engine.order"
    assert origins["group"] == "MILLRACE__KAFKA__GROUP"
    assert re.fullmatch(re.escape(str(EXAMPLE)) + r":\d+", origins["keyspace"])
    assert origins["start_from"] == "default"


def test_the_line_of_a_finding_shows_no_password(tmp_path: pathlib.Path):
    document = yaml.safe_load(EXAMPLE.read_text())
    document["registry"]["urls"] = [f"http://alice:{CANARY}@registry:8081"]
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    refused = run("validate", str(file))
    assert refused.returncode == 78 and "***" in refused.stderr
    assert CANARY not in refused.stdout + refused.stderr


def test_validate_refuses_an_output_into_a_topic_that_is_read():
    refused = run("validate", str(EXAMPLE), "--set", "engine.outputs.enriched-visits=navigation")
    assert refused.returncode == 78 and "the records would loop" in refused.stderr
