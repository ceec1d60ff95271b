"""A real Prometheus with its own folder."""

from __future__ import annotations

import json
import math
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

from servers.process import Process, free_port

READY_TIMEOUT_S = 60


class QueryError(RuntimeError):
    pass


class Prometheus:
    def __init__(self, folder: pathlib.Path, targets: list[str], rule_files: list[pathlib.Path]) -> None:
        self.folder = folder
        self.port = free_port()
        self.began = time.time()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in rule_files],
            "scrape_configs": [{"job_name": "millrace", "file_sd_configs": [{"files": ["targets.json"]}]}],
        }
        self.scrape(targets)
        (folder / "prometheus.yaml").write_text(json.dumps(config))
        self.process = Process(
            "prometheus",
            folder,
            ["prometheus", f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
        )  # fmt: skip

    def scrape(self, targets: list[str]) -> None:
        """Replaces the scraped targets."""
        made = self.folder / "targets.json.new"
        made.write_text(json.dumps([{"targets": targets}]))
        made.rename(self.folder / "targets.json")

    def start(self) -> None:
        self.process.launch()
        self.process.wait_ready(self._is_ready, READY_TIMEOUT_S)

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def stop(self) -> None:
        self.process.stop()

    def _get(self, path: str, **parameters: str) -> dict:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise QueryError(json.load(refused)["error"]) from None

    def range(self, expression: str, step_s: float = 5) -> list[list[float]]:
        """The values of every series from the start of Prometheus to now."""
        found = self._get("query_range", query=expression, start=f"{self.began:.3f}", end=f"{time.time():.3f}", step=f"{step_s}")
        return [[float(value) for _, value in series["values"]] for series in found["result"]]

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def fired_since(self, when: float) -> set[str]:
        """Every alert that fired at any moment since then."""
        found = self._get(
            "query_range", query='ALERTS{alertstate="firing"}', start=f"{when:.3f}", end=f"{time.time():.3f}", step="1"
        )
        return {series["metric"]["alertname"] for series in found["result"]}

    def rules(self) -> list[dict]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]


def has_data(series: list[list[float]]) -> bool:
    return any(not math.isnan(value) for values in series for value in values)


def has_nan(series: list[list[float]]) -> bool:
    return any(math.isnan(value) for values in series for value in values)
