"""A process of the group: its lives, its metrics, and its `stopped` event."""

from __future__ import annotations

import dataclasses
import http.client
import json
import pathlib
import re
import time
import urllib.error
import urllib.request
from typing import Iterable

from servers.process import Process

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 120.0
ADMIN_TIMEOUT_S = 2.0
SECOND_SIGNAL_S = 0.02
COUNTS = ("received", "done", "skipped", "dead_lettered", "abandoned")
# Not a term of the balance: of the records that ended, those that the next owner works on again.
CLOSING = (*COUNTS, "uncommitted")
CLOSING_LINE = re.compile(r"event=stopped " + " ".join(rf"{name}=(\d+)" for name in CLOSING) + r" exit=(\d+)")
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
REBALANCES = ("assigned", "revoked", "lost")


@dataclasses.dataclass
class Life:
    """From a start to the end. `ending`: stop, abort (a second SIGTERM), kill, or itself; empty while it runs."""

    member: str
    ending: str = ""
    exit_code: int | None = None
    ended_at: float = 0.0  # monotonic seconds
    accounting: dict[str, int] | None = None  # of the `stopped` event
    seen: dict[str, float] = dataclasses.field(default_factory=dict)  # metrics at the last look

    @property
    def balanced(self) -> bool:
        return self.accounting is not None and self.accounting["received"] == sum(self.accounting[name] for name in COUNTS[1:])

    def rebalances(self, kind: str) -> int:
        return int(self.seen.get(f'millrace_rebalances_total{{type="{kind}"}}', 0))


def closing_counts(log: str) -> tuple[dict[str, int], int] | None:
    """The counts and the exit code of the last `stopped` event in the text."""
    found = CLOSING_LINE.findall(log)
    if not found:
        return None
    *counts, code = (int(number) for number in found[-1])
    return dict(zip(CLOSING, counts)), code


def samples(text: str) -> dict[str, float]:
    """Metrics by name and labels, as the exposition writes them: `name` or `name{label="value"}`."""
    values = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found:
            name, labels, value = found.groups()
            values[f"{name}{{{labels}}}" if labels else name] = float(value)
    return values


class Member:
    """A process of a Millrace application with an admin endpoint on the loopback."""

    def __init__(self, name: str, folder: pathlib.Path, command: list[str], admin_port: int):
        self.name = name
        self.process = Process(name, folder, command)
        self.lives: list[Life] = []
        self.paused = False
        self._admin = f"http://127.0.0.1:{admin_port}"
        self._log_from = 0

    @property
    def running(self) -> bool:
        return self.process.running

    def start(self) -> None:
        """Returns when it is ready; raises ServerError when it does not get there."""
        self._log_from = self.process.log.stat().st_size if self.process.log.exists() else 0
        self.paused = False
        self.lives.append(Life(self.name))
        self.process.launch()
        self.process.wait_ready(lambda: self._page("/readyz") is not None, READY_TIMEOUT_S)

    def stop(self) -> Life:
        """SIGTERM, and wait for the end."""
        self.resume()
        self.process.stop(STOP_TIMEOUT_S)
        return self._ended("stop")

    def abort(self) -> Life:
        """SIGTERM, and again while it drains."""
        self.resume()
        self.process.ask_to_stop()
        time.sleep(SECOND_SIGNAL_S)  # two that are pending at once are one
        self.process.stop(STOP_TIMEOUT_S)
        return self._ended("abort")

    def kill(self) -> None:
        self.process.kill()
        if self.lives:
            self._ended("kill")

    def pause(self) -> None:
        self.process.pause()
        self.paused = True

    def resume(self) -> None:
        self.process.resume()
        self.paused = False

    def note_end(self) -> bool:
        """Whether it ended without a request."""
        if not self.lives or self.lives[-1].ending or self.process.running:
            return False
        self._ended("itself")
        return True

    def look(self) -> dict[str, float]:
        """Its metrics now; the last ones seen when it does not answer."""
        if not self.lives:
            return {}
        life = self.lives[-1]
        if not life.ending and not self.paused and (page := self._page("/metrics")) is not None:
            life.seen = samples(page)
        return life.seen

    def partitions(self) -> set[tuple[str, int]] | None:
        """Its partitions that are not being revoked, as it reports them; None without an answer."""
        page = None if self.paused or not self.running else self._page("/status")
        if page is None:
            return None
        rows = (row for worker in json.loads(page)["workers"] for row in worker["partitions"])
        return {(row["topic"], row["partition"]) for row in rows if row["state"] == "open"}

    def account(self) -> str:
        """For a person, when something went wrong."""
        return f"{self._page('/status') or 'no status'}\n{self.process.log_tail()}"

    def _ended(self, ending: str) -> Life:
        life = self.lives[-1]
        if life.ending:
            return life
        life.ending = ending
        life.exit_code = self.process.exit_code
        life.ended_at = time.monotonic()
        with open(self.process.log, errors="replace") as log:
            log.seek(self._log_from)
            closing = closing_counts(log.read())
        if closing:
            life.accounting = closing[0]
        self.paused = False
        return life

    def _page(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(self._admin + path, timeout=ADMIN_TIMEOUT_S) as answer:
                return answer.read().decode(errors="replace")
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            return None


def all_lives(members: Iterable[Member]) -> list[Life]:
    return [life for member in members for life in member.lives]
