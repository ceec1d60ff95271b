"""The files generated from the catalogue of metrics are up to date, consistent and accepted by Prometheus and Grafana."""

from __future__ import annotations

import functools
import json
import pathlib
import re
import subprocess

import pytest

from observability import made
from observability.made import ROOT, alerts, catalogue, dashboard, panels

GENERATED = ("docs/reference/metrics.md", "docs/runbook", "deploy/grafana/millrace.json", "deploy/prometheus")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("libs/*/README.md"), *ROOT.glob("deploy/**/*.md"),
                    *ROOT.glob("libs/app/src/front_page.html")])  # fmt: skip
DOCUMENTS.remove(ROOT / "CHANGELOG.md")  # names metrics of earlier versions


def files_of(folder: pathlib.Path) -> dict[str, str]:
    found = [path for name in GENERATED for path in [folder / name, *(folder / name).glob("*")] if path.is_file()]
    made_by_hand = {"deploy/prometheus/example.yaml", "deploy/prometheus/README.md"}
    texts = {str(path.relative_to(folder)): path.read_text() for path in found}
    return {name: text for name, text in texts.items() if name not in made_by_hand}


def test_the_committed_files_equal_the_generated_ones(tmp_path: pathlib.Path):
    ended = made.generate(tmp_path)
    assert ended.returncode == 0, ended.stderr
    fresh, committed = files_of(tmp_path), files_of(ROOT)
    outdated = sorted(name for name in {*fresh, *committed} if fresh.get(name) != committed.get(name))
    assert not outdated, f"run ./dev generate; outdated: {outdated}"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda metrics: metrics.pop(), "there is no series"),
        (lambda metrics: metrics.append(metrics[0] | {"name": "millrace_new_total"}), "shown in no panel and no alert"),
        (lambda metrics: next(m for m in metrics if m["name"] == "millrace_stage_seconds")["labels"].clear(), "stage"),
        (lambda metrics: next(m for m in metrics if m["name"] == "millrace_schema_registry_requests_total")["labels"][0]
         ["values"].remove("no_response"), "outcome is never"),
        (lambda metrics: next(m for m in metrics if m["name"] == "millrace_record_e2e_seconds")["buckets"].remove(5),
         "has no bucket 5"),
    ],
    ids=["metric", "unused metric", "label", "value", "bucket"],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_rejected(tmp_path: pathlib.Path, change, complaint: str):
    document = json.loads(made.catalogue_file().read_text())
    change(document["metrics"])
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps(document))
    ended = made.generate(tmp_path / "out", "--catalogue", str(file))
    assert ended.returncode == 1 and complaint in ended.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_only_metrics_that_exist(document: pathlib.Path):
    known = set(catalogue().by_series) | {metric.name for metric in catalogue().metrics}
    known |= {metric.name.removesuffix("_seconds") for metric in catalogue().metrics}  # millrace_x{_failed}_seconds
    named = set(re.findall(r"\b(millrace_[a-z0-9_]+[a-z0-9])\b(?![:/.-])", document.read_text()))
    not_metrics = {"millrace_navigation", "millrace_test", "millrace_library", "millrace_avro_generate", "millrace_demo", "millrace_certify"}
    assert not {name for name in named - known - not_metrics if not name.startswith("millrace_cql_")}


def test_promtool_accepts_the_rules():
    files = [str(path) for path in sorted((ROOT / "deploy/prometheus").glob("*s.yaml"))]
    assert len(files) == 2
    checked = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# The rules of Grafana's dashboard linter, and some more.


def all_panels() -> list[dict]:
    return [panel for panel in dashboard.build()["panels"] if panel["type"] != "row"]


def test_the_dashboard_is_fixed_and_has_its_variables():
    board = dashboard.build()
    assert board["uid"] == "millrace" and board["editable"] is False and board["schemaVersion"] >= 36
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert variables == ["datasource", "job", "group", "instance", "topic"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert board["links"] and board["annotations"]["list"]


@pytest.mark.parametrize("panel", all_panels(), ids=lambda panel: panel["title"])
def test_every_panel_is_described_has_a_unit_and_uses_the_variables(panel: dict):
    assert len(panel["description"]) > 10 and panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert target["expr"].count("{job=~\"$job\",instance=~\"$instance\"") == target["expr"].count("{job"), target["expr"]
        rates = re.findall(r"\b(?:rate|increase)\([^[]*\[([^]]+)\]", target["expr"])
        assert set(rates) <= {"$__rate_interval", "5m", "10m"}, target["expr"]
    if panel["type"] == "heatmap":
        assert panel["targets"][0]["format"] == "heatmap" and "sum by (le)" in panel["targets"][0]["expr"]


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.build()["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


PAGE_SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Related"]
ALERTS = alerts.alerts(alerts.Time(1))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_its_page(alert):
    page = (ROOT / "docs" / "runbook" / f"{alert.name}.md").read_text()
    assert re.findall("^## (.*)$", page, re.MULTILINE) == PAGE_SECTIONS
    assert alert.severity in (alerts.PAGE, alerts.TICKET)
    assert alert.diagnosis and alert.mitigation and alert.related
    for text in (alert.summary, alert.meaning, alert.impact, *(shows for _, shows in alert.diagnosis), *alert.mitigation):
        assert text.endswith("."), text
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (ROOT / "docs" / "runbook" / link).is_file(), link


@functools.cache
def sources() -> str:
    return "".join(file.read_text() for file in ROOT.glob("libs/*/src/**/*.cc"))


@functools.cache
def commands() -> set[str]:
    """The commands of the program, as its help names them."""
    told = subprocess.run([made.PROGRAM, "--help"], capture_output=True, text=True, timeout=60).stdout
    return set(re.findall(r"^  ([a-z]+) ", told, re.MULTILINE))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_commands_paths_events_and_settings_of_a_page_exist(alert):
    page = (ROOT / "docs" / "runbook" / f"{alert.name}.md").read_text()
    for name in re.findall(r"`millrace ([a-z]+)", page):
        assert name in commands(), f"millrace {name} (of {sorted(commands())})"
    for name in re.findall(r"millrace dlq ([a-z]+)", page):
        helped = subprocess.run([made.PROGRAM, "dlq", name, "--help"], capture_output=True, timeout=60)
        assert helped.returncode == 0, f"millrace dlq {name}"
    for path in re.findall(r"HOST:9464(/[a-z]+)", page):
        assert f'"{path}"' in sources(), path
    for event in re.findall(r"event=([a-z_]+)", page):
        assert f'"{event}"' in sources(), event
    for setting in re.findall(r"`(?:admin|cql|engine|kafka|log|registry|tap|tracing)\.([a-z_.]+)`", page):
        assert f'"{setting.rpartition(".")[2]}"' in sources(), setting


def test_durations_are_divided():
    slow, fast = alerts.alerts(alerts.Time(1)), alerts.alerts(alerts.Time(60))
    by_name = {alert.name: alert for alert in fast}
    stalled = next(alert for alert in slow if alert.name == "PartitionStalled")
    assert "> 300" in stalled.expression and "> 5" in by_name["PartitionStalled"].expression
    assert next(a for a in slow if a.name == "DbErrors").hold == "5m" and by_name["DbErrors"].hold == "5s"


def test_panels_that_may_be_empty_state_why():
    assert all(panel.empty_because or panel.queries for _, row in panels.ROWS for panel in row)
