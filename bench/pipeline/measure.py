"""One contestant's run: a process, watched from outside between its warm-up and its last record."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable

from contestants import Contestant
from environment import Environment

WARM_UP = 5  # one record in so many
JOINED = 100  # records after which a contestant counts as reading
RUN_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60
WATCH_EVERY_S = 0.01


@dataclasses.dataclass
class Run:
    cpu_us_per_record: float
    records_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    rss_bytes: int
    threads: int
    switches_per_record: float
    verified: bool


@dataclasses.dataclass
class Usage:
    at: float
    cpu_s: float
    switches: int
    records: int


def usage(pid: int, records: int) -> Usage:
    # Linux: the clock of a process's CPU time, all of its threads included.
    cpu = time.clock_gettime((~pid << 3) | 2)
    switches = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue  # the thread has ended
        switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return Usage(time.monotonic(), cpu, switches, records)


def status_of(pid: int) -> dict[str, int]:
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("VmRSS", "Threads"):
            found[name] = int(rest.split()[0])
    return found


def measure(
    contestant: Contestant,
    brokers: str,
    topic: str,
    group: str,
    environment: Environment,
    records: int,
    in_flight: int,
    folder: pathlib.Path,
    feed: Callable[[], None] | None = None,
) -> Run:
    """`feed` writes what is not in the topic yet, once the contestant has done what is: it reads from then on."""
    environment.reset(topic, group)
    log = folder / f"{group}.log"
    command = contestant.command(brokers, topic, group, environment, records, in_flight)
    with open(log, "w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            warm = watch(process, environment, JOINED if feed else records // WARM_UP, log)
            if feed:
                feed()
            end = watch(process, environment, records, log)
            status = status_of(process.pid)
            quantiles = contestant.quantiles(process)
        except ValueError:
            raise SystemExit(f"bench: {group} did not report its latencies:\n{log.read_text()[-3000:]}") from None
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
    found = environment.verify(records)
    count, seconds = end.records - warm.records, end.at - warm.at
    return Run(
        cpu_us_per_record=(end.cpu_s - warm.cpu_s) / count * 1e6,
        records_per_second=count / seconds,
        p50_ms=quantiles["p50_ms"],
        p95_ms=quantiles["p95_ms"],
        p99_ms=quantiles["p99_ms"],
        rss_bytes=status["VmRSS"] * 1024,
        threads=status["Threads"],
        switches_per_record=(end.switches - warm.switches) / count,
        verified=found == {"missing": 0, "wrong": 0, "rewritten": 0},
    )


def watch(process: subprocess.Popen, environment: Environment, records: int, log: pathlib.Path) -> Usage:
    """Waits until so many rows are there."""
    began = time.monotonic()
    while (seen := environment.inserted()) < records:
        if process.poll() is not None:
            raise SystemExit(f"bench: the contestant ended early (exit code {process.returncode}):\n{log.read_text()[-3000:]}")
        if time.monotonic() - began > RUN_SECONDS_MAX:
            raise SystemExit(f"bench: {seen} of {records} records after {RUN_SECONDS_MAX} s; see {log}")
        time.sleep(WATCH_EVERY_S)
    return usage(process.pid, seen)
