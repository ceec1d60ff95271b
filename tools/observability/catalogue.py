"""The catalogue of the product's metrics (output of `millrace metrics`), and the check of expressions against it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")
# Labels that Prometheus adds, and the label of histogram buckets.
SCRAPE_LABELS = {"job", "instance", "le"}
SCRAPE_METRICS = {"up"}
OWN_METRIC = re.compile(r"\b((?:millrace|process)_[a-z0-9_]+)(?![a-z0-9_]*:)")
RECORDED_METRIC = re.compile(r"\b[a-z_]+:[a-z0-9_]+:[a-z0-9_]+\b")
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


@dataclasses.dataclass(frozen=True)
class Label:
    name: str
    values: tuple[str, ...]  # closed; empty: open
    values_max: int


@dataclasses.dataclass(frozen=True)
class Metric:
    name: str
    type: str
    unit: str
    help: str
    labels: tuple[Label, ...]
    buckets: tuple[float, ...]

    @property
    def series(self) -> tuple[str, ...]:
        if self.type == "histogram":
            return tuple(self.name + suffix for suffix in HISTOGRAM_SUFFIXES)
        return (self.name,)


class Catalogue:
    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics
        self.by_series = {series: metric for metric in metrics for series in metric.series}

    @classmethod
    def load(cls, file: pathlib.Path) -> "Catalogue":
        entries = json.loads(file.read_text())["metrics"]
        return cls([_metric(entry) for entry in entries if not entry.get("application")])

    def used_in(self, expression: str) -> set[str]:
        """The families that an expression reads. Raises ValueError for a name that the catalogue lacks."""
        used = set()
        for name in OWN_METRIC.findall(expression):
            if name not in self.by_series:
                raise ValueError(f"there is no series {name} (in: {expression})")
            used.add(self.by_series[name].name)
        return used

    def check(self, expression: str, recorded: set[str] = frozenset()) -> set[str]:
        """As used_in(). Also checks that every label in a matcher or grouping exists and can have the value."""
        used = self.used_in(expression)
        for name in RECORDED_METRIC.findall(expression):
            if name not in recorded:
                raise ValueError(f"no rule records {name} (in: {expression})")
        known = set(SCRAPE_LABELS)
        for family in used:
            known |= {label.name for label in self.by_series_of(family).labels}
        for name, matchers in SELECTOR.findall(expression):
            metric = self.by_series.get(name)
            if metric is None:
                continue
            for label, _, value in MATCHER.findall(matchers):
                self._check_matcher(metric, label, value, expression)
        if not RECORDED_METRIC.search(expression):
            for labels in GROUPING.findall(expression):
                unknown = {label.strip() for label in labels.split(",") if label.strip()} - known
                if unknown:
                    raise ValueError(f"no metric in it has the labels {sorted(unknown)} (in: {expression})")
        return used

    def by_series_of(self, family: str) -> Metric:
        return next(metric for metric in self.metrics if metric.name == family)

    def _check_matcher(self, metric: Metric, label: str, value: str, expression: str) -> None:
        if label == "le":
            bounds = {f"{bound:g}" for bound in metric.buckets} | {"+Inf"}
            if value not in bounds:
                raise ValueError(f"{metric.name} has no bucket {value} (in: {expression})")
            return
        if label in SCRAPE_LABELS:
            return
        found = [one for one in metric.labels if one.name == label]
        if not found:
            raise ValueError(f"{metric.name} has no label {label} (in: {expression})")
        if value.startswith("$") or not found[0].values:
            return
        unknown = [one for one in value.split("|") if one not in found[0].values]
        if unknown:
            raise ValueError(f"{metric.name}: {label} is never {unknown} (in: {expression})")


def _metric(entry: dict) -> Metric:
    labels = tuple(
        Label(label["name"], tuple(label.get("values", ())), label.get("values_max", 0)) for label in entry["labels"]
    )
    return Metric(
        entry["name"], entry["type"], entry["unit"], entry["help"], labels, tuple(entry.get("buckets", ()))
    )
