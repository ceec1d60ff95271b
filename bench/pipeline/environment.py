"""The registry and the CQL server of the benchmark, controlled by lines (environment.h)."""

from __future__ import annotations

import json
import pathlib
import subprocess


class Environment:
    def __init__(self, program: pathlib.Path, log: pathlib.Path) -> None:
        self._log = open(log, "w")
        self._process = subprocess.Popen(
            [str(program), "environment"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        started = self._answer()
        self.cql: str = started["cql"]
        self.registry: str = started["registry"]

    def fill(self, brokers: str, topic: str, records: int, first: int = 0, rate: int = 0, size: int = 0) -> dict:
        """Writes records from number `first` on; `rate` a second and of `size` bytes, when these are given."""
        return self._ask(f"fill {brokers} {topic} {first} {records} {rate} {size}")

    def reset(self, _topic: str, _group: str) -> None:
        self._ask("reset")

    def inserted(self) -> int:
        return self._ask("inserted")["inserted"]

    def verify(self, records: int) -> dict:
        return self._ask(f"verify {records}")

    def latency(self, select_us: int, insert_us: int) -> None:
        self._ask(f"latency {select_us} {insert_us}")

    def expect(self, records: int, file: pathlib.Path) -> None:
        """Writes the rows that so many records imply."""
        self._ask(f"expect {records} {file}")

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._log.close()

    def _ask(self, line: str) -> dict:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: the servers ended (exit code {self._process.wait()}); see {self._log.name}")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"bench: {answer['error']}")
        return answer
