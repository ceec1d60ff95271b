"""One server process: launched in a folder of its own, probed until it serves, stopped by pid."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time
from typing import Callable

LOG_TAIL_LINES = 40
FIRST_PORT = 20_000  # up to the kernel's ephemeral range: no outgoing connection can take these
PORT_ATTEMPTS_MAX = 1_000
_handed_out: set[int] = set()


class ServerError(RuntimeError):
    """A server did not start, died, or cannot be had on this machine. The message is for a person."""


def free_port() -> int:
    """A free loopback port. It stays usable over a restart of the server it was given to."""
    ephemeral = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    limit = int(ephemeral.read_text().split()[0]) if ephemeral.exists() else 32_768
    limit = limit if limit > FIRST_PORT + PORT_ATTEMPTS_MAX else 65_535
    for _ in range(PORT_ATTEMPTS_MAX):
        port = random.SystemRandom().randrange(FIRST_PORT, limit)
        if port in _handed_out:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise ServerError(f"no free port on 127.0.0.1 between {FIRST_PORT} and {limit}")


def port_or_free(port: int | None) -> int:
    """`port`, if it is given and free; otherwise a free one."""
    return port if port and not listening(port) else free_port()


def listening(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(1.0)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A process with a log file.

    `command` runs in `folder`; its output is appended to `folder/<name>.log`, which outlives it. With `tied` (the
    default) the kernel kills the process when the Python process that launched it dies, so that an aborted test run
    leaves nothing behind; `up` launches untied.
    """

    def __init__(self, name: str, folder: pathlib.Path, command: list[str], tied: bool = True):
        self.name = name
        self.folder = folder
        self.command = command
        self.tied = tied
        self.started_in_s = 0.0
        self._child: subprocess.Popen | None = None
        self._launched_at = 0.0

    @property
    def log(self) -> pathlib.Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        if self._child is None:
            raise ServerError(f"{self.name} was never launched")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._child.poll() if self._child else None

    def launch(self) -> None:
        """Starts the process and returns at once. wait_ready() waits until it serves."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.command
        if self.tied and shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._launched_at = time.monotonic()

    def wait_ready(self, probe: Callable[[], bool], timeout_s: float) -> None:
        """Returns once `probe` says yes; raises ServerError with the end of the log when it does not in time."""
        while True:
            if not self.running:
                raise ServerError(
                    f"{self.name} ended with code {self._child.returncode} before it was ready\n{self.log_tail()}"
                )
            if probe():
                self.started_in_s = time.monotonic() - self._launched_at
                return
            if time.monotonic() - self._launched_at > timeout_s:
                raise ServerError(f"{self.name} was not ready within {timeout_s:.0f} s\n{self.log_tail()}")
            time.sleep(0.1)

    def log_tail(self) -> str:
        if not self.log.exists():
            return f"(there is no log {self.log})"
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return f"--- the last {len(lines)} lines of {self.log} ---\n" + "\n".join(lines)

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting for its effect."""
        if self.running:
            self.resume()
            self._child.terminate()

    def stop(self, timeout_s: float = 30.0) -> None:
        """SIGTERM, and SIGKILL after `timeout_s`. Nothing happens when the process is not running."""
        if not self.running:
            return
        self.ask_to_stop()
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def kill(self) -> None:
        """SIGKILL: no flush, no goodbye. What the server kept on disk stays for the next launch."""
        if self.running:
            self._child.kill()
            self._child.wait()

    def pause(self) -> None:
        """SIGSTOP: its sockets stay open without answers. The effect is complete when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        while self._state() not in ("T", "Z", "X"):
            time.sleep(0.001)

    def resume(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def _state(self) -> str:
        try:
            stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        except FileNotFoundError:
            return "X"
        return stat.rsplit(")", 1)[1].split()[0]
