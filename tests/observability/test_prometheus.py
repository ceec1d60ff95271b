"""A real Prometheus scrapes the example under load and faults: every fault fires exactly its alerts, with the rules of
production sixty times faster, and every panel has data."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import time
from collections.abc import Callable, Iterator

import pytest

from observability import made
from observability.made import alerts, panels
from observability.prometheus import Prometheus, has_data, has_nan
from observability.stage import READY_TIMEOUT_S, Stage, get
from servers.certificates import Certificates
from servers.process import free_port, listening

RATE = 250  # records a second
FASTER = 60
CALM_LATENCY = 20  # times the demo's: a database of some milliseconds, far from the alert
SLOW_LATENCY = 16 * CALM_LATENCY
FIRES_WITHIN_S = 90
CALM_WITHIN_S = 150
CALM_FOR_S = 4
INTERVAL = "10s"  # $__rate_interval of a scrape every second


@dataclasses.dataclass
class Environment:
    stage: Stage
    prometheus: Prometheus
    fired: dict[str, set[str]] = dataclasses.field(default_factory=dict)

    def wait_calm(self, seconds: float = CALM_WITHIN_S) -> None:
        deadline, calm_since = time.monotonic() + seconds, None
        while calm_since is None or time.monotonic() - calm_since < CALM_FOR_S:
            firing = self.prometheus.firing()
            assert time.monotonic() < deadline, f"still firing: {firing}"
            calm_since = None if firing else calm_since or time.monotonic()
            time.sleep(0.5)

    def provoke(self, fault: Callable[[], None], recover: Callable[[], None], expected: set[str]) -> set[str]:
        """Repeats `fault` until all of `expected` fire, then recovers. Returns every alert that fired until none fires."""
        began = time.time()
        deadline, seen = time.monotonic() + FIRES_WITHIN_S, set()
        while not expected <= seen and time.monotonic() < deadline:
            fault()
            seen |= self.prometheus.firing()
            time.sleep(0.5)
        recover()
        self.wait_calm()
        return self.prometheus.fired_since(began)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("observability")
    generated = made.generate(folder / "made", "--faster", str(FASTER))
    assert generated.returncode == 0, generated.stderr
    rule_files = sorted((folder / "made/deploy/prometheus").glob("*.yaml"))
    stage = Stage(folder / "stage", RATE)
    prometheus = Prometheus(folder, [f"127.0.0.1:{stage.port}"], rule_files)
    try:
        stage.start()
        stage.order(f"/latency/{CALM_LATENCY}")
        time.sleep(5)  # the latencies of the start leave the windows
        prometheus.start()
        started = Environment(stage, prometheus)
        time.sleep(10)
        started.wait_calm()
        yield started
    finally:
        prometheus.stop()
        stage.stop()


def test_no_alert_fires_in_a_healthy_cluster(environment: Environment):
    began = time.time()
    time.sleep(10)
    assert environment.prometheus.fired_since(began) == set()


def test_a_database_16_times_slower_fires_its_alert_alone(environment: Environment):
    slow = lambda: environment.stage.order(f"/latency/{SLOW_LATENCY}")  # noqa: E731
    calm = lambda: environment.stage.order(f"/latency/{CALM_LATENCY}")  # noqa: E731
    assert environment.provoke(slow, calm, {"DbLatencyHigh"}) == {"DbLatencyHigh"}


def test_a_burst_of_dead_letters_fires_its_alert_alone(environment: Environment):
    poison = lambda: environment.stage.order("/poison/20")  # noqa: E731
    assert environment.provoke(poison, lambda: None, {"DlqRateHigh"}) == {"DlqRateHigh"}


def test_failing_statements_fire_their_alert_alone(environment: Environment):
    failing = lambda: environment.stage.order("/failing/8")  # noqa: E731
    recovered = lambda: environment.stage.order("/failing/0")  # noqa: E731
    assert environment.provoke(failing, recovered, {"DbErrors"}) == {"DbErrors"}


def test_a_stalled_record_fires_for_its_partition(environment: Environment):
    environment.stage.order("/stuck/1")
    expected = {"PartitionStalled", "TimeLagHigh"}
    assert environment.provoke(lambda: None, lambda: None, expected) == expected


def test_repeated_rebalances_fire_their_alert_alone(environment: Environment):
    members = []

    def come_and_go() -> None:
        if members:
            members.pop().stop(timeout_s=20)
        else:
            members.append(environment.stage.another_member(len(members)))
            members[-1].launch()
            time.sleep(1.5)

    def end() -> None:
        while members:
            members.pop().stop(timeout_s=20)

    assert environment.provoke(come_and_go, end, {"RebalanceStorm"}) == {"RebalanceStorm"}


def test_an_insecure_setting_fires_its_alert_alone(environment: Environment, tmp_path: pathlib.Path):
    port, own = free_port(), f"127.0.0.1:{environment.stage.port}"
    member = environment.stage.another_member(
        99, f"admin.port={port}", f"kafka.properties.ssl.ca.location={Certificates(tmp_path).ca}",
        "kafka.properties.enable.ssl.certificate.verification=false",
    )  # fmt: skip
    member.launch()
    member.wait_ready(lambda: listening(port), READY_TIMEOUT_S)
    environment.prometheus.scrape([own, f"127.0.0.1:{port}"])

    def end() -> None:
        environment.prometheus.scrape([own])
        member.stop(timeout_s=20)

    assert environment.provoke(lambda: None, end, {"InsecureConfig"}) == {"InsecureConfig"}


def queries() -> list[tuple[str, str, str]]:
    """For each query of each panel: the title, the reason to be empty, and the expression as Grafana sends it."""
    found = []
    for row, of_row in panels.ROWS:
        for panel in of_row:
            for expression, _ in panel.queries:
                asked = re.sub(r"\$(job|instance|topic|group)\b", ".*", expression.replace("$__rate_interval", INTERVAL))
                found.append((f"{row}: {panel.title}", panel.empty_because, asked))
    return found


def test_every_panel_has_data_after_the_faults(environment: Environment):
    wrong = []
    for title, may_be_empty, expression in queries():
        series = environment.prometheus.range(expression)
        if has_nan(series):
            wrong.append(f"{title}: NaN: {expression}")
        elif not has_data(series) and not may_be_empty:
            wrong.append(f"{title}: no data: {expression}")
    assert not wrong, "\n".join(wrong)


def test_the_faults_fill_the_panels_that_may_be_empty(environment: Environment):
    """Only the panels that the faults above do not affect may be empty."""
    empty = {title for title, _, expression in queries() if not has_data(environment.prometheus.range(expression))}
    empty = {title for title in empty if not title.startswith("Services: ")}  # the application calls none
    untouched = {
        "Flow: Failed attempts, P99", "Kafka: Failed commits", "ScyllaDB: Lookups", "ScyllaDB: Lookup cache entries",
        "ScyllaDB: Lookup cache size", "Avro and schema registry: Decode errors", "Avro and schema registry: Failed decodes",
        "Resources: Traces", "Dead-letter topic: Skipped by reason", "Dead-letter topic: Dead-letter errors", "Resources: CPU",
        "Resources: Memory", "ScyllaDB: Failing nodes",
        # The application has neither limits nor filters.
        "Flow: Filtered records", "Flow: Waiting for limits", "Flow: Waits for the limit of a processor, P99",
        "Flow: Waits for the limit of a dependency, P99",
    }  # fmt: skip
    assert empty <= untouched, empty - untouched


def test_every_rule_is_evaluated_without_error(environment: Environment):
    for rule in environment.prometheus.rules():
        assert rule["health"] == "ok", (rule["name"], rule.get("lastError"))
    for recording in alerts.recordings(alerts.Time(FASTER)):
        series = environment.prometheus.range(recording.name)
        assert has_data(series) and not has_nan(series), recording.name
    for alert in alerts.alerts(alerts.Time(FASTER)):
        assert not has_nan(environment.prometheus.range(alert.expression)), alert.name


def test_everything_that_is_scraped_is_in_the_catalogue(environment: Environment):
    scraped = set(re.findall(r"^# TYPE (\S+) ", get(environment.stage.port, "/metrics"), re.MULTILINE))
    declared = {metric.name for metric in made.catalogue().metrics}
    assert scraped <= declared
    # Metrics that appear with a fault that is not injected here, or with a limit of the machine.
    absent = declared - scraped
    rare = {
        "millrace_cgroup_cpu_limit_cores", "millrace_cgroup_memory_limit_bytes", "millrace_cgroup_memory_bytes",
        "millrace_commit_failures_total", "millrace_records_skipped_total", "millrace_traces_total",
        "millrace_insecure_config", "millrace_node_connect_failures_total", "millrace_tombstones_total",
        "millrace_certificate_expiry_timestamp_seconds",  # another member had them
        "millrace_records_filtered_total",
    }  # fmt: skip
    # The application has neither lookups nor services nor limits.
    of_others = re.compile("millrace_(lookup|service|processor_limit|dependency_limit)_")
    absent = {name for name in absent if not of_others.match(name)}
    assert absent <= rare, absent - rare
