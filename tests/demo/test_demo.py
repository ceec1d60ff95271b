"""`millrace demo` from outside: what it writes, what the application's pages say meanwhile, how it ends."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from servers.process import free_port
from servers.state import BUILD

PROGRAM = pathlib.Path(os.environ.get("MILLRACE_PROGRAM", BUILD / "dev" / "apps" / "millrace" / "millrace"))
TIMEOUT_S = 180
QUANTILES = ("decode_us", "select_us", "insert_us", "end_to_end_ms", "consume_ms")
NUMBERS = (
    "records_produced", "records_done", "records_lost", "records_duplicated", "dead_lettered", "records_per_second",
    "cpu_us_per_record", "rss_bytes_max",
)  # fmt: skip


class Demo:
    """A running demo. Its output is read line by line, so that a test can act on what a user would see."""

    def __init__(self, folder: pathlib.Path, *arguments: str):
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.json_file = folder / "out.json"
        self.port = free_port()
        environment = {**os.environ, "TMPDIR": str(self.temporary), "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [PROGRAM, "demo", "--port", str(self.port), "--json", self.json_file, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip
        self.lines: list[str] = []
        self._guard = threading.Timer(TIMEOUT_S, self.process.kill)
        self._guard.start()

    def read_until(self, text: str) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"the demo ended without printing {text!r}:\n{self.output}")

    def finish(self) -> int:
        self.lines.extend(self.process.stdout)
        code = self.process.wait()
        self._guard.cancel()
        return code

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body of one of the application's pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers["Content-Type"], refused.read().decode()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def results(self) -> dict:
        return json.loads(self.json_file.read_text())

    def leaves_nothing_behind(self) -> bool:
        return not any(self.temporary.iterdir())


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [PROGRAM, "demo", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S
    )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, dict[str, tuple[int, str, str]], int]:
    """One whole run, with every page of the application read in the middle of it."""
    demo = Demo(tmp_path_factory.mktemp("demo"), "--duration", "6", "--rate", "1000")
    demo.read_until("P50/P95")
    demo.process.stdout.readline()  # the first live line: records flow
    paths = ("/", "/metrics", "/healthz", "/readyz", "/status", "/nowhere")
    pages = {path: demo.get(path) for path in paths}
    return demo, pages, demo.finish()


def test_a_short_run_is_verified_and_writes_every_result(watched):
    demo, _, code = watched
    assert code == 0, demo.output
    results = demo.results
    for key in NUMBERS:
        assert isinstance(results[key], (int, float)), key
    for latencies in (results, *(results["spike"][phase] for phase in ("before", "during", "after"))):
        for key in QUANTILES:
            assert 0 < latencies[key]["p50"] <= latencies[key]["p95"], key
        assert latencies["records_per_second"] > 0
    assert results["verified"] is True
    assert results["records_lost"] == results["records_duplicated"] == results["dead_lettered"] == 0
    assert results["records_done"] == results["records_produced"] > 1000
    assert results["cpu_us_per_record"] > 0
    assert results["rss_bytes_max"] > 1_000_000
    assert results["spike"]["in_flight_max"] > 0


def test_the_database_really_becomes_slower(watched):
    spike = watched[0].results["spike"]
    # A lower bound: the emulator holds half of the answers back for at least this long, on any machine.
    for statement, scripted_us in (("select_us", 16 * 250), ("insert_us", 16 * 660)):
        assert spike["during"][statement]["p50"] > scripted_us / 2


def test_it_prints_the_page_address_and_a_summary(watched):
    demo, _, _ = watched
    assert f"http://127.0.0.1:{demo.port}/" in demo.output
    for words in ("Verified", "0 lost", "0 duplicated", "database ×16", "of CPU per record", "16 times slower"):
        assert words in demo.output
    assert "\x1b" not in demo.output, "no colours when the output is not a terminal"
    assert demo.leaves_nothing_behind()


def test_the_pages_of_a_running_application_are_served(watched):
    _, pages, _ = watched
    assert pages["/healthz"][0] == pages["/readyz"][0] == 200
    assert pages["/nowhere"][0] == 404
    status, kind, body = pages["/status"]
    assert (status, kind) == (200, "application/json")
    answer = json.loads(body)
    assert answer["application"] == "navigation"
    assert answer["alive"] and answer["ready"] and answer["accounting"]["balanced"]
    assert {p["partition"] for w in answer["workers"] for p in w["partitions"]} == set(range(20))


def test_the_front_page_needs_nothing_from_elsewhere(watched):
    status, kind, body = watched[1]["/"]
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in body, "the browser refuses every other source"
    for reference in ("src=", "@import", "url("):
        assert reference not in body
    assert all(line.count("href=") == line.count('href="/') + line.count('href="data:') for line in body.splitlines())


def test_prometheus_accepts_the_metrics(watched):
    status, kind, body = watched[1]["/metrics"]
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    promtool = shutil.which("promtool")
    assert promtool, "promtool comes with the package prometheus"
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout + checked.stderr == "", "no remark either"


def test_every_stage_is_timed_and_failures_separately(watched):
    body = watched[1]["/metrics"][2]
    for name in ("decode", "record", "commit", "statement"):
        assert f"# TYPE millrace_{name}_failed_seconds histogram" in body
    for series in (
        'millrace_statement_seconds_count{statement="select visitor_profile"}',
        'millrace_statement_seconds_count{statement="insert visit"}',
        "millrace_decode_seconds_count",
        "millrace_record_e2e_seconds_count",
        "millrace_consume_delay_seconds_count",
    ):
        counts = [float(line.split()[-1]) for line in body.splitlines() if line.startswith(series + " ")]
        assert counts and counts[0] > 0, series


def test_ctrl_c_finishes_and_verifies_what_was_produced(tmp_path):
    demo = Demo(tmp_path, "--duration", "600", "--rate", "500")
    demo.read_until("P50/P95")
    demo.process.stdout.readline()
    demo.process.send_signal(signal.SIGINT)
    assert demo.finish() == 128 + signal.SIGINT, demo.output
    results = demo.results
    assert results["interrupted"] is True
    assert results["verified"] is True
    assert results["records_done"] == results["records_produced"] > 0
    assert "Verified" in demo.output
    assert demo.leaves_nothing_behind()
    assert not port_is_busy(demo.port), "the application has ended too"


def port_is_busy(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_in_use_is_named_at_once():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = run("--port", str(port))
    assert refused.returncode == 1
    assert f"port {port} of 127.0.0.1 is in use" in refused.stderr
    assert refused.stdout == ""


def test_a_results_file_that_cannot_be_written_is_named_before_the_run(tmp_path):
    refused = run("--json", str(tmp_path / "no" / "folder.json"))
    assert refused.returncode == 1
    assert f"cannot write {tmp_path}" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--duration", "0"), "--duration"),
        (("--duration", "soon"), "--duration"),
        (("--rate", "-1"), "--rate"),
        (("--in-flight", "0"), "--in-flight"),
        (("--port", "70000"), "--port"),
        (("--speed", "9"), "--speed"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    refused = run(*arguments)
    assert refused.returncode == 78
    assert named in refused.stderr
