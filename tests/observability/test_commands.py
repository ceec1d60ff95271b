"""`millrace top` and `lag`, and the log, on the running example."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from observability.made import PROGRAM
from observability.stage import Stage
from servers.process import free_port



@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    running = Stage(tmp_path_factory.mktemp("commands"), 200)
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


def test_top_of_a_process_that_is_not_there_says_so(stage: Stage):
    nobody = free_port()
    text = run("top", f":{stage.port}", f":{nobody}", "--once")
    assert f"127.0.0.1:{nobody}: Connection refused" in text
    assert "Connection refused" in run("top", f":{nobody}", "--once", code=1)
    run("top", "no port:x", "--once", code=78)


def test_lag_is_in_records_and_in_time(stage: Stage):
    document = json.loads(run("lag", str(stage.configuration), "--json"))
    assert len(document["partitions"]) == 20
    assert 0 <= document["records"] < 5_000 and 0 <= document["seconds"] < 60
    assert all(partition["committed"] is not None for partition in document["partitions"])
    assert "records behind in" in run("lag", str(stage.configuration))


def test_the_log_is_one_line_an_event_without_payloads(stage: Stage):
    log = pathlib.Path(stage.configuration).with_name("application.log").read_text()
    assert "event=running" in log and "event=admin_listening" in log
    for line in log.splitlines():
        assert line.startswith("time=") and " level=" in line and " event=" in line, line
    assert "visitor" not in log and "v000" not in log, "neither fields nor keys of records"
