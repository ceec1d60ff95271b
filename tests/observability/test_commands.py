"""`millrace top`, `lag` and `tap`, and traces, on the running example."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from observability.made import PROGRAM
from observability.stage import Stage
from servers.certificates import Certificates
from servers.process import free_port

TOKEN = "for-tests-only"
TRACED_WITHIN_S = 60


class Collector(http.server.BaseHTTPRequestHandler):
    """A collector of OTLP over HTTPS. It stores the requests that carry the token."""

    requests: list[tuple[str, str, dict]] = []

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_response(401)
            self.end_headers()
            return
        self.requests.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def collector(certificates: Certificates) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Collector)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.server.certificate, certificates.server.key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, collector: http.server.ThreadingHTTPServer, certificates: Certificates
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("commands")
    token = folder / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    running = Stage(
        folder, 200, f"admin.token=${{file:{token}}}", "tap.enabled=true", "tap.redact=visitor_id",
        "tap.statement_values=true", "tap.records_per_second=50",
        f"tracing.endpoint=https://127.0.0.1:{collector.server_address[1]}", f"tracing.ca_file={certificates.ca}",
        f"tracing.bearer_token=${{file:{token}}}", "tracing.sample_ratio=0.05",
    )  # fmt: skip
    try:
        running.start()
        yield running
    finally:
        running.stop()


def run(*arguments: str, code: int = 0) -> str:
    ended = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_top_shows_the_process_and_its_statements(stage: Stage):
    text = run("top", f"http://127.0.0.1:{stage.port}", "--once")
    row = next(line for line in text.splitlines() if line.startswith(f"127.0.0.1:{stage.port}"))
    assert " running " in row
    for words in ("insert visit", "select visitor_profile", "commit_wait", "decode"):
        assert words in text, text


def test_top_names_an_unreachable_process(stage: Stage):
    nobody = free_port()
    text = run("top", f":{stage.port}", f":{nobody}", "--once")
    assert f"127.0.0.1:{nobody}: connecting: Connection refused" in text
    assert "Connection refused" in run("top", f":{nobody}", "--once", code=1)
    run("top", "no port:x", "--once", code=78)


def test_lag_is_in_records_and_in_time(stage: Stage):
    document = json.loads(run("lag", str(stage.configuration), "--json"))
    assert len(document["partitions"]) == 20
    assert 0 <= document["records"] < 5_000 and 0 <= document["seconds"] < 60
    assert all(partition["committed"] is not None for partition in document["partitions"])
    assert "records behind in" in run("lag", str(stage.configuration))


def samples(stage: Stage, *arguments: str) -> list[dict]:
    return [json.loads(line) for line in run("tap", f":{stage.port}", "--token", TOKEN, *arguments).splitlines()]


def test_tap_shows_records_with_their_latencies_and_effects(stage: Stage):
    found = samples(stage, "--limit", "5")
    assert len(found) == 5
    for sample in found:
        assert sample["topic"] == "navigation" and sample["outcome"] == "done"
        assert {"fetch_wait", "decode", "process", "produce_ack"} <= {stage["stage"] for stage in sample["stages"]}
        assert {"select visitor_profile", "insert visit", "insert last_seen"} == {s["statement"] for s in sample["statements"]}
        assert sample["produced"][0]["topic"] == "enriched-visits"
        assert sample["value"]["visitor_id"] == sample["produced"][0]["value"]["visitor_id"] == "***"
        assert sample["value"]["page"]["url"]


def test_tap_shows_matching_records_only(stage: Stage):
    key = samples(stage, "--limit", "1")[0]["key"]
    assert {sample["partition"] for sample in samples(stage, "--partition", "7", "--limit", "3")} == {7}
    # The tap shows records that are processed while it is connected: bad records are produced until it has seen two.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        tapped = pool.submit(samples, stage, "--outcome", "dead_lettered", "--limit", "2")
        while not tapped.done():
            stage.order("/poison/5")
            concurrent.futures.wait([tapped], timeout=1)
    dead_lettered = tapped.result()
    assert {sample["outcome"] for sample in dead_lettered} == {"dead_lettered"}
    assert all("undecodable" in sample["value"] for sample in dead_lettered)
    assert key


def test_tap_needs_its_token(stage: Stage):
    assert "401" in run("tap", f":{stage.port}", "--token", "wrong", code=1)
    assert "401" in run("tap", f":{stage.port}", code=1)


def test_traces_reach_the_collector(stage: Stage):
    deadline = time.monotonic() + TRACED_WITHIN_S
    while not Collector.requests and time.monotonic() < deadline:
        time.sleep(0.2)
    path, kind, body = Collector.requests[-1]
    assert (path, kind) == ("/v1/traces", "application/json")
    spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    root = next(span for span in spans if span["name"] == "process navigation")
    inner = [span for span in spans if span.get("parentSpanId") == root["spanId"]]
    assert {"decode", "process visits", "insert visit", "select visitor_profile"} <= {span["name"] for span in inner}
    for span in inner:
        assert span["traceId"] == root["traceId"] and len(span["spanId"]) == 16
        assert int(root["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= int(root["endTimeUnixNano"]) + 1_000_000
    assert abs(int(root["endTimeUnixNano"]) / 1e9 - time.time()) < TRACED_WITHIN_S + 30


def test_the_log_has_one_line_for_each_event_and_no_payloads(stage: Stage):
    log = pathlib.Path(stage.configuration).with_name("application.log").read_text()
    assert "event=running" in log and "event=admin_listening" in log
    for line in log.splitlines():
        assert line.startswith("time=") and " level=" in line and " event=" in line, line
    assert TOKEN not in log
    assert "visitor" not in log and "v000" not in log, "neither fields nor keys of records"
