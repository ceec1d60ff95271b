"""`./dev bench avro`: the same records through our codec and its peers, in interleaved rounds, by CPU time.

Prints the table that README.md explains; --json writes it as JSON. Peers whose tools are missing are skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

import peers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REFERENCE = ROOT / "libs" / "avro" / "tests" / "data" / "navigation.avsc"
OURS = "millrace struct, views"
BUILD_FLAGS = ("CMAKE_CXX_COMPILER", "CMAKE_BUILD_TYPE", "CMAKE_CXX_FLAGS_RELEASE")
LONG_PASS_S = 1.0  # of a row whose pass takes longer, fewer rounds are run
ROUNDS_OF_LONG_ROWS = 3


class Program:
    """A process with rows, which makes a pass over every record on request."""

    def __init__(self, name: str, command: list[str], flags: str) -> None:
        self.name, self.flags = name, flags
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.rows = self._answer().split("\t")
        # Linux: the clock of a process's CPU time, all of its threads included.
        self._clock = (~self._process.pid << 3) | 2

    def _answer(self) -> str:
        line = self._process.stdout.readline().rstrip("\n")
        if not line:
            raise SystemExit(f"{self.name} ended without an answer (exit code {self._process.wait()})")
        return line

    def _ask(self, what: str, row: str) -> str:
        self._process.stdin.write(f"{what}\t{row}\n")
        self._process.stdin.flush()
        return self._answer()

    def checksum(self, row: str) -> str:
        return self._ask("sum", row)

    def pass_seconds(self, row: str) -> float:
        before = time.clock_gettime(self._clock)
        self._ask("run", row)
        return time.clock_gettime(self._clock) - before

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


class Row:
    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, name
        self.seconds: list[float] = []
        self.checksum = ""

    @property
    def fields(self) -> str:
        return "five fields" if "five fields" in self.name else "every field"

    @property
    def data(self) -> str:
        return "older" if "older" in self.name else "json" if "JSON" in self.name else "navigation"

    def measure(self) -> None:
        if len(self.seconds) < ROUNDS_OF_LONG_ROWS or self.seconds[0] < LONG_PASS_S:
            self.seconds.append(self.program.pass_seconds(self.name))

    def report(self, manifest: dict, ours: float) -> dict:
        seconds = statistics.median(self.seconds)
        return {
            "impl": self.name,
            "ns_per_record": round(seconds / manifest["records"] * 1e9, 1),
            "ratio_to_ours": round(seconds / ours, 3),
            "mb_per_s": round(manifest["bytes"][self.data] / seconds / 1e6, 1),
            "spread": round((max(self.seconds) - min(self.seconds)) / seconds, 3),
            "rounds": len(self.seconds),
            "fields": self.fields,
            "checksum": self.checksum,
            "flags": self.program.flags,
        }


def make_data(cache: pathlib.Path, python: pathlib.Path, count: int, seed: int) -> tuple[pathlib.Path, dict]:
    made_from = [HERE / "data.py", ROOT / "tests/reference_records.py", HERE / "checksum.py", REFERENCE]
    made_from.append(HERE / "navigation_older.avsc")
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in made_from)).hexdigest()[:12]
    folder = cache / f"records-{count}-{seed}-{stamp}"
    if not (folder / "manifest.json").exists():
        peers.say(f"writing {count} records, once")
        subprocess.run([python, HERE / "data.py", str(count), folder, str(seed)], check=True)
    return folder, json.loads((folder / "manifest.json").read_text())


def our_program(data: pathlib.Path, build: pathlib.Path) -> Program:
    cache = (build / "CMakeCache.txt").read_text()
    of = {name: found[1] for name in BUILD_FLAGS if (found := re.search(rf"^{name}:\w+=(.*)$", cache, re.M))}
    version = subprocess.run([of["CMAKE_CXX_COMPILER"], "-dumpfullversion"], capture_output=True, text=True).stdout
    flags = f"g++ {version.strip()} {of.get('CMAKE_CXX_FLAGS_RELEASE', '')}, hardened as shipped; decoders -O3"
    older = HERE / "navigation_older.avsc"
    return Program("avro_rows", [str(build / "bench/avro/avro_rows"), str(data), str(REFERENCE), str(older)], flags)


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def print_table(report: dict) -> None:
    print(f"{report['records']} records of {report['bytes_per_record']:.0f} bytes, {report['rounds']} rounds; {report['machine']}")
    print(f"{'row':<46} {'ns/record':>9} {'x ours':>7} {'MB/s':>7} {'spread':>7}  flags")
    for row in report["rows"]:
        print(
            f"{row['impl']:<46} {row['ns_per_record']:>9.1f} {row['ratio_to_ours']:>7.2f} {row['mb_per_s']:>7.1f}"
            f" {row['spread']:>6.0%}  {row['flags']}"
        )
    for name, why in report["skipped"].items():
        print(f"skipped: {name}: {why}")
    print("checksums: " + ("equal" if report["checksums_equal"] else "DIFFERENT"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench avro", description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", default="", metavar="REGEX", help="only rows that match; Millrace is always measured")
    parser.add_argument("--no-peers", action="store_true", help="measure Millrace only")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of the release build")
    parser.add_argument("--cache", type=pathlib.Path, required=True, help="folder of data and of the peers' builds")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.records < 1:
        parser.error("--rounds and --records are at least 1")

    cache = arguments.cache.resolve()
    python = peers.python_environment(cache)
    data, manifest = make_data(cache, python, arguments.records, arguments.seed)
    programs = [our_program(data, arguments.build.resolve())]
    skipped: dict[str, str] = {}
    if not arguments.no_peers:
        for peer in peers.all_peers(cache, python, data, REFERENCE):
            if peer.missing:
                skipped[peer.name] = peer.missing
                peers.say(f"skipped: {peer.name}: {peer.missing}")
            else:
                programs.append(Program(peer.name, peer.command, peer.flags))
    wanted = re.compile(arguments.only)
    rows = [
        Row(program, name) for program in programs for name in program.rows if name == OURS or wanted.search(name)
    ]
    for row in rows:
        row.checksum = row.program.checksum(row.name)  # also warms up
        row.program.pass_seconds(row.name)
    for number in range(arguments.rounds):
        if sys.stderr.isatty():
            peers.say(f"round {number + 1} of {arguments.rounds}")
        for row in rows:
            row.measure()
    for program in programs:
        program.close()

    ours = statistics.median(next(row for row in rows if row.name == OURS).seconds)
    report = {
        "rows": [row.report(manifest, ours) for row in rows],
        "checksums_equal": all(row.checksum == manifest["checksums"][row.fields] for row in rows),
        "skipped": skipped,
        "records": manifest["records"],
        "bytes_per_record": manifest["bytes"]["navigation"] / manifest["records"],
        "rounds": arguments.rounds,
        "machine": machine(),
    }
    print_table(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report["checksums_equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
