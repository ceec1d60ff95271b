"""Generates the metrics reference, the dashboard, the rules and the runbook from the catalogue of metrics.

python3 tools/observability --catalogue FILE [--root FOLDER] [--runbook URL] [--faster N]
FILE is the output of `millrace metrics`. Fails when a panel, an alert or a page of the runbook names a metric, label or
value that does not exist, or when no panel and no alert uses a metric.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

import dashboard
import reference
import rules
from alerts import Time, alerts, recordings
from catalogue import Catalogue


def generate(catalogue: Catalogue, runbook: str, faster: float = 1) -> dict[str, str]:
    """Contents by path below the project's top folder."""
    check(catalogue)
    time = Time(faster)
    names = {rule.name for rule in recordings(time)}
    files = {
        "docs/reference/metrics.md": reference.page(catalogue),
        "docs/runbook/README.md": rules.runbook_index(),
        "deploy/grafana/millrace.json": json.dumps(dashboard.build(runbook), indent=1, ensure_ascii=False) + "\n",
        "deploy/prometheus/recordings.yaml": rules.recording_file(time),
        "deploy/prometheus/alerts.yaml": rules.alert_file(time, runbook),
    }
    for alert in alerts(Time(1)):
        needs = any(name in alert.expression for name in names)
        note = " `deploy/prometheus/recordings.yaml` records the series whose names contain colons." if needs else ""
        files[f"docs/runbook/{alert.name}.md"] = rules.runbook_page(alert, note)
    return files


def check(catalogue: Catalogue) -> None:
    used = reference.places(catalogue)
    unused = [metric.name for metric in catalogue.metrics if metric.name not in used]
    if unused:
        raise ValueError(f"shown in no panel and no alert: {', '.join(unused)}")
    recorded = {rule.name for rule in recordings(Time(1))}
    named = {alert.name for alert in alerts(Time(1))}
    for alert in alerts(Time(1)):
        for what, _ in alert.diagnosis:
            catalogue.check(what, recorded)
        unknown = [other for other in alert.related if not other.startswith("docs/") and other not in named]
        if unknown:
            raise ValueError(f"the page of {alert.name} refers to {', '.join(unknown)}, which is not an alert")
    for panel in (panel for _, row in dashboard.ROWS for panel in row):
        if panel.runbook and panel.runbook not in named:
            raise ValueError(f"panel '{panel.title}' links to the runbook of {panel.runbook}, which is not an alert")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--catalogue", type=pathlib.Path, required=True)
    arguments.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    arguments.add_argument("--runbook", default=dashboard.RUNBOOK, help="URL of the runbook pages; {} is the name of an alert")
    arguments.add_argument("--faster", type=float, default=1, help="divides every duration of the rules, for tests")
    given = arguments.parse_args()
    try:
        files = generate(Catalogue.load(given.catalogue), given.runbook, given.faster)
    except ValueError as wrong:
        print(f"observability: {wrong}", file=sys.stderr)
        return 1
    for name, content in files.items():
        path = given.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for old in (given.root / "docs/runbook").glob("*.md"):
        if f"docs/runbook/{old.name}" not in files:
            old.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
