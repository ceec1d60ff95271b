"""Who takes part, how each is built and started, and what else is measured beside them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

from peers import PEERS, Missing, built, need, output_of, run

from environment import Environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "libs/workload/data/navigation.avsc"
# A quarter apart, 0.2 ms to 0.9 s: quantiles as exact as those of the contestants that keep every latency.
FINE_BUCKETS = ", ".join(f"{round(200 * 1.25**step)}us" for step in range(38))
QUANTILES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclasses.dataclass
class Contestant:
    name: str
    flags: str = ""
    missing: str = ""  # why it is skipped
    # brokers, topic, group, environment, records, in flight → the command line
    command: Callable[[str, str, str, Environment, int, int], list[str]] | None = None
    # of the process when all records are done
    quantiles: Callable[[subprocess.Popen], dict[str, float]] | None = None


def printed(process: subprocess.Popen) -> dict[str, float]:
    return json.loads(process.stdout.readline())


def peer(name: str, program: list[str], flags: str) -> Contestant:
    def command(brokers: str, topic: str, group: str, environment: Environment, records: int, in_flight: int) -> list[str]:
        return [*program, brokers, topic, group, environment.cql, str(SCHEMA), str(records), str(in_flight)]

    return Contestant(name, flags, command=command, quantiles=printed)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Millrace:
    """The application of contestants.cc."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, verb: str = "visit", workers: int = 1) -> None:
        self._program, self._folder, self._verb, self._workers = program, folder, verb, workers
        self._port = 0

    def command(self, brokers: str, topic: str, group: str, environment: Environment, _records: int, in_flight: int) -> list[str]:
        self._port = free_port()
        config = self._folder / f"{group}.yaml"
        config.write_text(
            f"kafka:\n  bootstrap_servers: {brokers}\n  group: {group}\n  topics: [{topic}]\n"
            f"registry:\n  urls: [{environment.registry}]\n"
            f"cql:\n  contact_points: [{environment.cql}]\n  keyspace: bench\n  consistency: LOCAL_ONE\n"
            f"engine:\n  workers: {self._workers}\n  in_flight_records_max: {in_flight}\n"
            f"  dead_letter_topic: navigation-dlq\n"
            f"admin:\n  port: {self._port}\n"
            f"metrics:\n  buckets:\n    request: [{FINE_BUCKETS}]\n    end_to_end: [{FINE_BUCKETS}, 5s, 60s]\n"
        )
        return [str(self._program), self._verb, str(config)]

    def scrape(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def quantiles(self, _process: subprocess.Popen) -> dict[str, float]:
        """From the buckets of millrace_process_seconds: the time a record's processor took, waits included."""
        buckets = sorted(buckets_of(self.scrape(), "millrace_process_seconds").items())
        return {name: quantile(buckets, share) * 1e3 for name, share in QUANTILES.items()}


def total(page: str, name: str) -> float:
    """Of a metrics page: the sum of a counter's or gauge's series."""
    return sum(map(float, re.findall(rf"^{name}(?:\{{.*\}})? (\S+)", page, re.MULTILINE)))


def buckets_of(page: str, name: str, labelled: str = "") -> dict[float, float]:
    """Of a metrics page: bound and count of a histogram's buckets, over all series whose labels hold that."""
    buckets: dict[float, float] = {}
    for labels, count in re.findall(rf"^{name}_bucket\{{(.*)\}} (\S+)", page, re.MULTILINE):
        if labelled in labels:
            bound = float(re.search(r'le="([^"]+)"', labels)[1].replace("+Inf", "inf"))
            buckets[bound] = buckets.get(bound, 0.0) + float(count)
    return buckets


def quantile(buckets: list[tuple[float, float]], share: float) -> float:
    """As Prometheus estimates it: linear inside a bucket."""
    if not buckets or buckets[-1][1] == 0:
        return float("nan")
    rank = share * buckets[-1][1]
    below_bound = below = 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return below_bound
            return below_bound + (bound - below_bound) * (rank - below) / max(count - below, 1.0)
        below_bound, below = bound, count
    return below_bound


def rust(cache: pathlib.Path, binary: str) -> Contestant:
    need("cargo")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        cargo = ["cargo", "build", "--release", "--locked", "--manifest-path", PEERS / "pipeline-rust/Cargo.toml"]
        run(cargo, "pipeline-rust", log, env=os.environ | {"CARGO_TARGET_DIR": str(cache / "peers/cargo")})
        for name in ("rust-original", "rust-tuned"):
            shutil.copy2(cache / "peers/cargo/release" / name, folder)

    folder = built(cache, "pipeline-rust", build)
    return peer(binary, [str(folder / binary)], output_of(["rustc", "--version"]).rsplit(" (", 1)[0] + " -O3, fat LTO")


def go(cache: pathlib.Path) -> Contestant:
    need("go")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        run(["go", "build", "-mod=readonly", "-o", folder / "pipeline-go", "."], "go", log, cwd=PEERS / "pipeline-go")

    folder = built(cache, "pipeline-go", build)
    return peer("go", [str(folder / "pipeline-go")], output_of(["go", "version"]).split()[2] + " default")


def java(cache: pathlib.Path, order: str) -> Contestant:
    need("java", "javac", "mvn")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        maven = ["mvn", "-q", "-B", "-f", PEERS / "pipeline-java/pom.xml", "dependency:copy-dependencies"]
        run([*maven, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"], "java", log)
        source = PEERS / "pipeline-java/PipelineJava.java"
        run(["javac", "-cp", f"{folder / 'jars'}/*", "-d", folder / "classes", source], "java", log)

    folder = built(cache, "pipeline-java", build)
    options = ["-XX:+UseSerialGC", "-Xms512m", "-Xmx1g", "-Xss256k", "-XX:-UsePerfData"]
    options.append("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
    program = ["java", *options, "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", "PipelineJava"]
    flags = f"JDK {output_of(['javac', '-version']).split()[-1]} C2, serial GC, {order.lower()}"
    made = peer("java" if order == "UNORDERED" else "java-key", program, flags)
    plain = made.command
    made.command = lambda *of: [*plain(*of), order]
    return made


def python(cache: pathlib.Path) -> Contestant:
    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        run([sys.executable, "-m", "venv", folder / "venv"], "python", log)
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--only-binary", ":all:", "--requirement", PEERS / "pipeline-python/requirements.txt"], "python", log)

    interpreter = str(built(cache, "pipeline-python", build) / "venv/bin/python")
    script = str(PEERS / "pipeline-python/pipeline.py")
    return peer("python", [interpreter, script], output_of([interpreter, "--version"]))


def all_contestants(
    program: pathlib.Path, cache: pathlib.Path, folder: pathlib.Path, only: re.Pattern | None
) -> Iterator[Contestant]:
    """In the order of the table."""
    for name, verb in (("millrace", "visit"), ("millrace-cache", "cached")):
        ours = Millrace(program, folder, verb)
        yield Contestant(name, "g++ -O2, hardened as shipped", command=ours.command, quantiles=ours.quantiles)
    recipes = {
        "rust-original": lambda: rust(cache, "rust-original"),
        "rust-tuned": lambda: rust(cache, "rust-tuned"),
        "go": lambda: go(cache),
        "java": lambda: java(cache, "UNORDERED"),
        "java-key": lambda: java(cache, "KEY"),
        "python": lambda: python(cache),
    }
    for name, make in recipes.items():
        if only and not only.search(name):
            continue
        try:
            yield make()
        except Missing as why:
            yield Contestant(name, missing=str(why))


class Limits:
    """What less work costs: consuming, decoding, the engine."""

    SETTLE_S = 0.2
    RUN_SECONDS_MAX = 300

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, environment: Environment) -> None:
        self._program, self._folder, self._environment = program, folder, environment

    def measure(self, brokers: str, topic: str, group: str, records: int, in_flight: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for verb in ("consume", "decode"):
            command = [str(self._program), verb, brokers, topic, f"{group}-{verb}", str(records)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
            found[f"{verb}_us_per_record"], found[f"{verb}_records_per_second"] = float(done[0]), float(done[1])
        for verb in ("idle", "memory"):
            cpu, rate = self._application(verb, brokers, topic, f"{group}-{verb}", records, in_flight)
            found[f"{verb}_us_per_record"], found[f"{verb}_records_per_second"] = cpu, rate
        return found

    def _application(
        self, verb: str, brokers: str, topic: str, group: str, records: int, in_flight: int
    ) -> tuple[float, float]:
        """CPU per record of the second half of the topic, so that joining does not count."""
        ours = Millrace(self._program, self._folder, verb)
        command = ours.command(brokers, topic, group, self._environment, records, in_flight)
        with open(self._folder / f"{group}.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                clock = (~process.pid << 3) | 2
                half = self._reached(ours, process, records // 4)
                began, cpu = time.monotonic(), time.clock_gettime(clock)
                end = self._reached(ours, process, records)
                took, used = time.monotonic() - began, time.clock_gettime(clock) - cpu
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        return used / (end - half) * 1e6, (end - half) / took

    def _reached(self, ours: Millrace, process: subprocess.Popen, records: int) -> int:
        began = time.monotonic()
        while True:
            if process.poll() is not None or time.monotonic() - began > self.RUN_SECONDS_MAX:
                raise SystemExit("bench: a limit measurement failed")
            try:
                done = int(total(ours.scrape(), "millrace_records_done_total"))
            except OSError:
                done = 0
            if done >= records:
                return done
            time.sleep(0.01)
