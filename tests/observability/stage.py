"""The running example: the demo under a steady load, and its fault switches."""

from __future__ import annotations

import json
import pathlib
import urllib.error
import urllib.request

from observability.made import PROGRAM
from servers.process import Process, free_port

READY_TIMEOUT_S = 60
FOR_EVER_S = 86_000
# The client-side timeout of a statement without a response.
STATEMENT_TIMEOUT_S = 20
# The mock cluster rebalances at once with this one; with the classic protocol it waits for the session's timeout.
PROTOCOL = "kafka.protocol=consumer"


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read().decode()


class Stage:
    def __init__(self, folder: pathlib.Path, rate: int, *settings: str) -> None:
        self.folder = folder
        self.port, self.control_port = free_port(), free_port()
        temporary = folder / "temporary"
        temporary.mkdir(parents=True)
        overrides = [f"cql.request_timeout={STATEMENT_TIMEOUT_S}s", PROTOCOL, *settings]
        self.process = Process(
            "demo", folder,
            ["env", f"TMPDIR={temporary}", str(PROGRAM), "demo", *(f"--set={override}" for override in overrides),
             "--duration", str(FOR_EVER_S), "--rate", str(rate), "--port", str(self.port),
             "--control-port", str(self.control_port)],
        )  # fmt: skip

    def start(self) -> None:
        self.process.launch()
        self.process.wait_ready(lambda: "done" in self.line_or_nothing(), READY_TIMEOUT_S)

    def line_or_nothing(self) -> str:
        try:
            return get(self.port, "/status") if json.loads(get(self.port, "/status"))["accounting"]["done"] else ""
        except (urllib.error.URLError, OSError):
            return ""

    def stop(self) -> None:
        self.process.ask_to_stop()
        self.process.stop(timeout_s=10)  # twice: at once

    def order(self, path: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.control_port}{path}", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    @property
    def configuration(self) -> pathlib.Path:
        return next(self.folder.glob("temporary/*/config.yaml"))

    def another_member(self, number: int, *settings: str) -> Process:
        """A second process of the group, which is not scraped."""
        overrides = ["admin.port=0", PROTOCOL, *settings]
        return Process(
            f"member-{number}", self.folder,
            [str(PROGRAM), "run", str(self.configuration), *(f"--set={override}" for override in overrides)],
        )  # fmt: skip
