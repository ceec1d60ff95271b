"""Each alert with its real durations, in promtool's unit tests: it fires when it should, and none fires for a healthy
instance."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

from observability.made import ROOT, alerts, dashboard

JOB = 'job="millrace",instance="a"'
MINUTES = 90
EACH = f"x{MINUTES}"


def series(name: str, values: str, labels: str = "") -> dict[str, str]:
    return {f"{name}{{{JOB}{',' + labels if labels else ''}}}": values}


def growing(name: str, by: float, labels: str = "", start: float = 0) -> dict[str, str]:
    return series(name, f"{start}+{by}{EACH}", labels)


def constant(name: str, value: float, labels: str = "") -> dict[str, str]:
    return series(name, f"{value}+0{EACH}", labels)


# An instance that receives and finishes 6,000 records a minute, fast and without failures.
HEALTHY = {
    **constant("up", 1),
    **constant("millrace_build_info", 1, 'version="1",millrace="1",revision="r",compiler="gcc"'),
    **constant("millrace_state", 1),
    **constant("millrace_ready", 1),
    **constant("millrace_workers", 1),
    **constant("millrace_breaker_state", 0, 'dependency="database"'),
    **constant("millrace_worker_since_turn_seconds", 0.1, 'worker="0"'),
    **constant("millrace_in_flight_records", 0),
    **growing("millrace_records_received_total", 6000),
    **growing("millrace_records_done_total", 6000),
    **growing("millrace_records_abandoned_total", 0),
    **growing("millrace_commits_total", 60),
    **growing("millrace_offset_gap_records_total", 0),
    **constant("millrace_consumer_lag_records", 10, 'topic="t",partition="0"'),
    **constant("millrace_time_lag_seconds", 0.1, 'topic="t",partition="0"'),
    **constant("millrace_partition_oldest_inflight_age_seconds", 0.1, 'topic="t",partition="0"'),
    **growing("millrace_record_e2e_seconds_bucket", 6000, 'le="5"'),
    **growing("millrace_record_e2e_seconds_bucket", 6000, 'le="+Inf"'),
    **growing("millrace_record_e2e_seconds_count", 6000),
    **growing("millrace_statement_seconds_bucket", 6000, 'statement="select",le="0.01"'),
    **growing("millrace_statement_seconds_bucket", 6000, 'statement="select",le="0.5"'),
    **growing("millrace_statement_seconds_bucket", 6000, 'statement="select",le="+Inf"'),
    **growing("millrace_statement_seconds_count", 6000, 'statement="select"'),
    **growing("millrace_loop_turn_seconds_bucket", 6000, 'le="0.01"'),
    **growing("millrace_loop_turn_seconds_bucket", 6000, 'le="0.5"'),
    **growing("millrace_loop_turn_seconds_bucket", 6000, 'le="+Inf"'),
    **growing("millrace_errors_total", 0, 'stage="dead_letter",error="produce_failed"'),
    **growing("millrace_processor_exceptions_total", 0, 'processor="a"'),
    **growing("millrace_errors_total", 0, 'stage="schema",error="schema_not_found"'),
    **growing("millrace_errors_total", 0, 'stage="schema",error="registry_unauthorized"'),
    **growing("millrace_attempt_timeouts_total", 0, 'processor="a"'),
    **growing("millrace_schema_registry_requests_total", 10, 'outcome="answered"'),
    **growing("millrace_rebalances_total", 0, 'type="assigned"', start=1),
    **constant("millrace_cgroup_memory_bytes", 50e6),
    **constant("millrace_cgroup_memory_limit_bytes", 100e6),
    **growing("millrace_cgroup_cpu_periods_total", 600),
    **growing("millrace_cgroup_cpu_throttled_periods_total", 10),
    **constant("millrace_certificate_expiry_timestamp_seconds", 15 * 86400, 'setting="cql.certificate_file"'),
    **constant("process_open_fds", 50),
    **constant("process_max_fds", 1024),
    **constant("process_start_time_seconds", 1_700_000_000),
}
STALLED = {**growing("millrace_records_received_total", 0), **growing("millrace_records_done_total", 0)}
BY_JOB, BY_INSTANCE = {"job": "millrace"}, {"job": "millrace", "instance": "a"}

# For each alert: the series that differ from HEALTHY, and the labels of the alert.
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "FreshnessSLOBurn": (growing("millrace_record_e2e_seconds_bucket", 4800, 'le="5"'), BY_JOB),
    "ConsumerStalled": ({**STALLED, **growing("millrace_record_e2e_seconds_count", 0)}, BY_INSTANCE),
    "PartitionStalled": (
        constant("millrace_partition_oldest_inflight_age_seconds", 301, 'topic="t",partition="0"'),
        BY_INSTANCE | {"topic": "t", "partition": "0"}),
    "TimeLagHigh": (constant("millrace_time_lag_seconds", 301, 'topic="t",partition="0"'), BY_JOB | {"topic": "t"}),
    "LagGrowing": (growing("millrace_consumer_lag_records", 1200, 'topic="t",partition="0"'), BY_JOB),
    "OffsetGapDetected": (growing("millrace_offset_gap_records_total", 1), BY_INSTANCE),
    "RecordAccountingMismatch": (constant("millrace_in_flight_records", 1), BY_INSTANCE),
    "DlqRateHigh": (
        {**growing("millrace_records_dead_lettered_total", 120, 'reason="truncated"'), **growing("millrace_records_done_total", 5880)},
        BY_JOB),
    "ProcessorThrows": (
        growing("millrace_processor_exceptions_total", 1, 'processor="a"'), BY_JOB | {"processor": "a"}),
    "AttemptTimeouts": (growing("millrace_attempt_timeouts_total", 1, 'processor="a"'), BY_JOB | {"processor": "a"}),
    "DlqWriteFailing": (growing("millrace_errors_total", 1, 'stage="dead_letter",error="produce_failed"'), BY_INSTANCE),
    "RebalanceStorm": (growing("millrace_rebalances_total", 1, 'type="assigned"', start=1), BY_JOB),
    "CommitFailing": (
        {**growing("millrace_commits_total", 0), **growing("millrace_commit_failures_total", 60, 'error="broker_unavailable"')},
        BY_INSTANCE),
    "RegistryErrors": (growing("millrace_schema_registry_requests_total", 1, 'outcome="server_error"'), BY_JOB),
    "SchemaRefused": (growing("millrace_errors_total", 1, 'stage="schema",error="registry_unauthorized"'), BY_JOB),
    "SchemaNotFound": (growing("millrace_errors_total", 1, 'stage="schema",error="schema_not_found"'), BY_JOB),
    "DbErrors": (growing("millrace_statement_failures_total", 120, 'statement="select",error="db_timeout"'), BY_JOB),
    "DbLatencyHigh": (
        growing("millrace_statement_seconds_bucket", 5800, 'statement="select",le="0.01"'), BY_JOB | {"statement": "select"}),
    "BreakerOpen": (
        constant("millrace_breaker_state", 2, 'dependency="database"'), BY_INSTANCE | {"dependency": "database"}),
    "InstanceDown": (constant("up", 0), BY_INSTANCE),
    "NoInstances": ({key: "" for key in constant("millrace_build_info", 1, 'version="1",millrace="1",revision="r",compiler="gcc"')}, {}),
    "CrashLoop": (growing("process_start_time_seconds", 60, start=1_700_000_000), BY_INSTANCE),
    "NotReady": (constant("millrace_ready", 0), BY_INSTANCE),
    "EventLoopBlocked": (constant("millrace_worker_since_turn_seconds", 31, 'worker="0"'), BY_INSTANCE | {"worker": "0"}),
    "CpuThrottled": (growing("millrace_cgroup_cpu_throttled_periods_total", 200), BY_INSTANCE),
    "MemoryNearLimit": (constant("millrace_cgroup_memory_bytes", 95e6), BY_INSTANCE),
    "FdsNearLimit": (constant("process_open_fds", 900), BY_INSTANCE),
    "EventLoopLag": (growing("millrace_loop_turn_seconds_bucket", 5800, 'le="0.01"'), BY_INSTANCE),
    "CertExpiry": (
        constant("millrace_certificate_expiry_timestamp_seconds", 13 * 86400, 'setting="cql.certificate_file"'),
        BY_JOB | {"setting": "cql.certificate_file"}),
    "InsecureConfig": (constant("millrace_insecure_config", 1, 'setting="cql.tls"'), BY_JOB | {"setting": "cql.tls"}),
    "VersionSkew": (constant("millrace_build_info", 1, 'version="2",millrace="1",revision="r",compiler="gcc"'), BY_JOB),
}  # fmt: skip
RULES = {alert.name: alert for alert in alerts.alerts(alerts.Time(1))}


def run(folder: pathlib.Path, input_series: dict[str, str], expected: dict[str, list[dict]]) -> None:
    """At the end of the series exactly the `expected` alerts fire, with these labels."""
    tests = []
    for name, rule in RULES.items():
        annotations = {"summary": rule.summary, "description": rule.description, "runbook_url": dashboard.RUNBOOK.format(name)}
        alerts_of = [
            {"exp_labels": labels | {"severity": rule.severity}, "exp_annotations": annotations} for labels in expected.get(name, [])
        ]
        tests.append({"alertname": name, "eval_time": f"{MINUTES}m", "exp_alerts": alerts_of})
    document = {
        "rule_files": [str(ROOT / "deploy/prometheus" / name) for name in ("recordings.yaml", "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": key, "values": values} for key, values in input_series.items() if values],
                "alert_rule_test": tests,
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(json.dumps(document))
    ended = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_no_alert_fires_for_a_healthy_instance(tmp_path: pathlib.Path):
    run(tmp_path, HEALTHY, {})


def test_no_alert_fires_for_an_idle_transactional_topic(tmp_path: pathlib.Path):
    """The log ends with the marker of a transaction; everything before it is finished and committed."""
    idle = {name: f"{values.split('+')[0]}+0{EACH}" for name, values in HEALTHY.items() if "_total" in name or "_seconds_" in name}
    at_rest = {
        **constant("millrace_consumer_lag_records", 0, 'topic="t",partition="0"'),
        **constant("millrace_time_lag_seconds", 0, 'topic="t",partition="0"'),
    }
    run(tmp_path, {**HEALTHY, **idle, **at_rest}, {})


def test_every_alert_has_a_case():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("name", CASES)
def test_it_fires_alone(tmp_path: pathlib.Path, name: str):
    changes, labels = CASES[name]
    run(tmp_path, {**HEALTHY, **changes}, {name: [labels]})
