"""`./dev bench spike`: what a database that becomes 16 times slower for 20 s does to consumption.

Millrace does the work of `./dev bench pipeline` (decode, SELECT, INSERT, commit) between a real Kafka broker and the CQL
emulator, at half of what it manages here while records are being written, which is measured first. In the middle the
latencies of the database are multiplied by 16. Every row is compared with what the records imply. Of several runs the one
with the median consumption P95 during the slow time is reported; the exit code is 1 when the bar is missed:

  consumption P95 (from the record's timestamp to the start of its processor) during at most 1.3 times that before, or 2 ms
  above it, whichever is larger, and after the same; intake unchanged, no backlog; recovered within 2 s of the end (as before
  for a second); nothing lost.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "bench/pipeline"), str(ROOT / "tests"), str(ROOT / "bench/avro")]

import plot  # noqa: E402 - the path comes first
from contestants import Millrace  # noqa: E402
from watch import LATENCIES, Look, look, phase, samples  # noqa: E402
from environment import Environment  # noqa: E402

PARTITIONS = 20
SELECT_US, INSERT_US, SLOWDOWN = 300, 700, 16
IN_FLIGHT = 8_192
JOINED = 100  # records after which the application counts as reading
SLOW_S = 20
AROUND_S = 12  # before, and after
SETTLE_S = 3.0  # of the time before that does not count
CALIBRATION_S = 10
CALIBRATION_RECORDS = 800_000
SHARE_OF_CAPACITY = 0.5
RATE_ROUNDING = 100
LOOK_EVERY_S = 0.5
DRAIN_S_MAX = 60
START_S_MAX = 60
NUMBERS = ("records_per_second", "in_flight_max", "lag_max")
PHASES = ("before", "during", "after")

RATIO_MAX = 1.3
ABOVE_MS_MAX = 2.0
INTAKE_MIN = 0.98
BACKLOG_S_MAX = 0.25  # of intake: records that were not even taken
RECOVERED_WITHIN_S = 2.0
RECOVERED_SAMPLES = 2  # in a row: more would ask that nothing ever happens on the machine


class Stage:
    """The servers, and who writes records while the application reads them."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path) -> None:
        from servers.kafka import Kafka  # known to the tests' Python only

        self._program, self._folder = program, folder
        self._kafka = Kafka(folder / "kafka", settings={"log.segment.bytes": str(1 << 30)}).start()
        self._environment = Environment(program, folder / "environment.log")
        self._writer = Environment(program, folder / "writer.log")
        self._kafka.create_topic("navigation-dlq", 1)
        self._number = 0

    def close(self) -> None:
        self._writer.close()
        self._environment.close()
        self._kafka.stop()

    @contextmanager
    def application(self) -> Iterator["Running"]:
        """On a topic of its own, reading."""
        self._number += 1
        topic = f"spike-{self._number}"
        self._kafka.create_topic(topic, PARTITIONS)
        self._environment.reset(topic, topic)
        self._environment.latency(SELECT_US, INSERT_US)
        self._writer.fill(self._kafka.bootstrap, topic, JOINED)
        ours = Millrace(self._program, self._folder)
        command = ours.command(self._kafka.bootstrap, topic, topic, self._environment, 0, IN_FLIGHT)
        with open(self._folder / f"{topic}.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                running = Running(ours, process, self._folder / f"{topic}.log")
                running.wait_done(JOINED, START_S_MAX)
                yield running
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(DRAIN_S_MAX)

    def write(self, records: int, rate: int) -> threading.Thread:
        """After those of application()."""
        topic = f"spike-{self._number}"
        arguments = (self._kafka.bootstrap, topic, records, JOINED, rate)
        writing = threading.Thread(target=self._writer.fill, args=arguments, daemon=True)
        writing.start()
        return writing

    def capacity(self) -> float:
        """Records per second while more is written than can be done."""
        with self.application() as running:
            writing = self.write(CALIBRATION_RECORDS, 0)
            time.sleep(SETTLE_S)
            begin = running.look()
            began = time.monotonic()
            while time.monotonic() - began < CALIBRATION_S and writing.is_alive():
                time.sleep(LOOK_EVERY_S)
            rate = (running.look().done - begin.done) / (time.monotonic() - began)
            writing.join()
        return rate

    def spike(self, rate: int) -> tuple[list[Look], dict, bool]:
        """The samples, the failures, and whether everything was done in time."""
        records = rate * (2 * AROUND_S + SLOW_S)
        with self.application() as running:
            running.begin()
            writing = self.write(records, rate)
            looks = [running.look()]
            while writing.is_alive():
                slow = AROUND_S <= running.seconds() < AROUND_S + SLOW_S
                if slow != running.slow:
                    factor = SLOWDOWN if slow else 1
                    looks.append(running.look())
                    self._environment.latency(SELECT_US * factor, INSERT_US * factor)
                    running.slow = slow
                    looks.append(running.look())
                time.sleep(LOOK_EVERY_S)
                looks.append(running.look())
            finished = running.wait_done(JOINED + records, DRAIN_S_MAX)
        return looks, self._environment.verify(JOINED + records), finished


class Running:
    def __init__(self, ours: Millrace, process: subprocess.Popen, log: pathlib.Path) -> None:
        self._ours, self._process, self._log = ours, process, log
        self._began = time.monotonic()
        self.slow = False

    def begin(self) -> None:
        self._began = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def look(self) -> Look:
        return look(self._ours.scrape(), self.seconds(), self.slow)

    def wait_done(self, records: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise SystemExit(f"bench: the application ended early:\n{self._log.read_text()[-3000:]}")
            try:
                if self.look().done >= records:
                    return True
            except OSError:
                pass  # it starts
            time.sleep(0.05)
        return False


def limit_ms(before_p95_ms: float) -> float:
    return max(RATIO_MAX * before_p95_ms, before_p95_ms + ABOVE_MS_MAX)


def recovered_after_s(seen: list[dict], limit: float, in_flight_before: float) -> float | None:
    """From the end of the slow time until consumption is as before for a second, and what had piled up is done."""
    end = [s for s in seen if s["slow"]][-1]["at_seconds"]
    since, row = None, 0
    for sample in (s for s in seen if s["at_seconds"] > end):
        p95 = sample["consume_ms"]["p95"]
        well = p95 is not None and p95 <= limit and sample["in_flight"] <= 2 * in_flight_before + 50
        row = row + 1 if well else 0
        if row == 1:
            since = max(sample["at_seconds"] - sample["length"] - end, 0.0)
        if row == RECOVERED_SAMPLES:
            return since
    return None


def backlog_max(seen: list[dict]) -> float:
    return max((s["lag"] - s["in_flight"] for s in seen), default=0.0)


def judged(looks: list[Look], found: dict, finished: bool) -> dict:
    """What is reported of a run: the phases, and whether it clears the bar."""
    slow = [one for one in looks if one.slow]
    out = {
        "before": phase([one for one in looks if SETTLE_S < one.at and not one.slow and one.at < slow[0].at]),
        "during": phase(slow),
        "after": phase([one for one in looks if not one.slow and one.at > slow[-1].at][:-1]),
    }
    out["records_lost"] = found["missing"]
    before, during = out["before"], out["during"]
    seen = usable(looks)
    limit = limit_ms(before["consume_ms"]["p95"])
    backlog_limit = BACKLOG_S_MAX * before["records_per_second"] + max(
        backlog_max([s for s in seen if not s["slow"] and s["at_seconds"] < AROUND_S]), 0.0
    )
    out["consume_p95_limit_ms"] = round(limit, 3)
    out["intake_kept"] = round(during["records_per_second"] / before["records_per_second"], 4)
    out["backlog_max"] = backlog_max([s for s in seen if s["slow"]])
    out["recovered_after_seconds"] = recovered_after_s(seen, limit, before["in_flight_max"])
    missed = []
    if during["consume_ms"]["p95"] > limit:
        missed.append(f"consumption P95 during is {during['consume_ms']['p95']:.2f} ms, over {limit:.2f} ms")
    if out["intake_kept"] < INTAKE_MIN:
        missed.append(f"intake during is {100 * out['intake_kept']:.1f} % of that before")
    if out["backlog_max"] > backlog_limit:
        missed.append(f"{out['backlog_max']:.0f} records were not taken while the database was slow")
    if out["after"]["consume_ms"]["p95"] > limit:
        missed.append(f"consumption P95 after is {out['after']['consume_ms']['p95']:.2f} ms, over {limit:.2f} ms")
    if out["recovered_after_seconds"] is None or out["recovered_after_seconds"] > RECOVERED_WITHIN_S:
        missed.append(f"recovered after {out['recovered_after_seconds']} s")
    if not finished or any(found.values()):
        missed.append(f"all done: {finished}; rows: {found}")
    out["missed"] = missed
    return out


def usable(looks: list[Look]) -> list[dict]:
    """Samples that are long enough to show more than chance."""
    return [sample for sample in samples(looks) if sample["length"] >= LOOK_EVERY_S / 2]


def table(result: dict) -> str:
    head = "".join(f"{name:>26}" for name in PHASES)
    lines = [f"{'':<24}{head}", f"{'':<24}" + f"{'P50':>10}{'P95':>8}{'P99':>8}" * 3]
    for key in LATENCIES:
        name = key.replace("_us", "").replace("_ms", "").replace("_", " ")
        scale = 1e-3 if key.endswith("_us") else 1.0
        ms = [[result[p][key][q] * scale for q in ("p50", "p95", "p99")] for p in PHASES]
        cells = "".join(f"{p50:>10.2f}{p95:>8.2f}{p99:>8.2f}" for p50, p95, p99 in ms)
        lines.append(f"{name + ', ms':<24}{cells}")
    for key in NUMBERS:
        lines.append(f"{key.replace('_', ' '):<24}" + "".join(f"{result[p][key]:>26,.0f}" for p in PHASES))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev bench spike", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, help="write the results to this file")
    parser.add_argument("--svg", type=pathlib.Path, help="write the plot to this file")
    parser.add_argument("--runs", type=int, default=3, help="default 3")
    parser.add_argument("--rate", type=int, help="records per second (default: half of the capacity, measured first)")
    arguments = parser.parse_args()
    if sys.prefix == sys.base_prefix:  # the servers are known to the tests' Python only
        setup = [str(ROOT / "tests/servers/setup.sh"), "--jars"]
        python = subprocess.run(setup, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        return subprocess.run([python, __file__, *sys.argv[1:]]).returncode

    program = arguments.build.resolve() / "bench/pipeline/bench_pipeline"
    with tempfile.TemporaryDirectory(prefix="millrace-spike-") as folder:
        stage = Stage(program, pathlib.Path(folder))
        try:
            measured, rate = None, arguments.rate
            if rate is None:
                measured = stage.capacity()
                rate = int(measured * SHARE_OF_CAPACITY / RATE_ROUNDING) * RATE_ROUNDING
                print(f"capacity {measured:,.0f} records/s; the load is {rate:,} records/s", flush=True)
            runs = []
            for number in range(arguments.runs):
                looks, found, finished = stage.spike(rate)
                runs.append((judged(looks, found, finished), looks))
                last = runs[-1][0]
                p95 = [last[name]["consume_ms"]["p95"] for name in PHASES]
                print(
                    f"run {number + 1}: consumption P95 {p95[0]:.2f} ms before, {p95[1]:.2f} ms during; "
                    + ("; ".join(last["missed"]) or "clears the bar"),
                    flush=True,
                )
        finally:
            stage.close()
    # By how far consumption rose: the run in the middle.
    runs.sort(key=lambda run: run[0]["during"]["consume_ms"]["p95"] / run[0]["consume_p95_limit_ms"])
    result, looks = runs[len(runs) // 2]
    runs_alone = [run.copy() for run, _ in runs]
    result |= {"slowdown": SLOWDOWN, "slow_seconds": SLOW_S, "rate": rate, "capacity": measured, "runs": runs_alone}
    print(f"\n{table(result)}\n")
    after = result["recovered_after_seconds"]
    recovered = "not recovered" if after is None else f"recovered after {after:.1f} s"
    print(
        f"intake kept {100 * result['intake_kept']:.1f} %, {recovered}, lost {result['records_lost']}: "
        + ("; ".join(result["missed"]) or "clears the bar")
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.svg:
        shown = [sample for sample in usable(looks[:-1]) if sample["at_seconds"] > SETTLE_S]
        arguments.svg.write_text(plot.spike(shown))
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
