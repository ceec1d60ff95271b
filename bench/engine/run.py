"""`./dev bench engine`: what a record costs the engine beyond taking and decoding it, processors that do nothing.

CPU time of interleaved rounds (medians), allocations (operator new), and instructions: of the hardware's counter where
there is one, else counted by callgrind over a smaller run (package valgrind). A row "N in flight" has processors that
wait in memory until N records do.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

FLOOR = "take and decode"
COUNTED_RECORDS = 20_000  # by callgrind, which is some fifty times slower


class Program:
    """The process with the rows."""

    def __init__(self, program: pathlib.Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = self._answer().split("\t")

    def _answer(self) -> str:
        line = self._process.stdout.readline().rstrip("\n")
        if not line:
            raise SystemExit(f"bench_engine ended without an answer (exit code {self._process.wait()})")
        return line

    def run(self, row: str, records: int) -> dict:
        self._process.stdin.write(f"{row}\t{records}\n")
        self._process.stdin.flush()
        return json.loads(self._answer())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def has_counter() -> bool:
    """Virtual machines often have none."""
    if shutil.which("perf") is None:
        return False
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True)
    return bool(re.search(r"^\d+,", done.stderr, re.M))


def by_perf(program: pathlib.Path, row: str) -> float:
    """The difference of two runs: start and warm-up cancel out."""

    def whole(records: int) -> int:
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", "instructions:u", program, row, str(records)], capture_output=True, text=True
        )
        return int(re.search(r"^(\d+),", done.stderr, re.M)[1])

    most = 10 * COUNTED_RECORDS
    return (whole(2 * most) - whole(most)) / most


def by_callgrind(program: pathlib.Path, row: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "--collect-atstart=no",
             "--toggle-collect=millrace::bench::measured*", program, row, str(COUNTED_RECORDS)],
            capture_output=True, text=True,
        )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"callgrind failed on '{row}':\n{done.stderr}")
    return int(found[1]) / COUNTED_RECORDS


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def ratio(rows: dict[str, dict], of: str, to: str) -> float | None:
    if of not in rows or to not in rows:
        return None
    pairs = zip(rows[of]["rounds_ns"], rows[to]["rounds_ns"])
    return round(statistics.median(a / b for a, b in pairs), 3)


def print_table(report: dict) -> None:
    print(f"{report['records']} records, {report['rounds']} rounds; {report['machine']}")
    print(f"instructions: {report['instructions_by']}")
    print(f"{'row':<38} {'ns':>8} {'beyond floor':>13} {'least':>8} {'most':>8} {'instructions':>13} {'allocations':>12}")
    for row in report["rows"]:
        counted = f"{row['instructions']:>13.0f}" if row["instructions"] is not None else f"{'-':>13}"
        print(
            f"{row['row']:<38} {row['ns']:>8.1f} {row['ns_beyond_floor']:>13.1f} {min(row['rounds_ns']):>8.1f}"
            f" {max(row['rounds_ns']):>8.1f} {counted} {row['allocations']:>12.3f}"
        )
    for name, value in report["growth"].items():
        if value is not None:
            print(f"{name}: {value:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev bench engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=200_000, help="of one row in one round")
    parser.add_argument("--only", default="", metavar="REGEX", help=f"rows that match; '{FLOOR}' is always measured")
    parser.add_argument("--no-instructions", action="store_true", help="measure time and allocations only")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.records < 1:
        parser.error("--rounds and --records are at least 1")

    path = arguments.build.resolve() / "bench" / "engine" / "bench_engine"
    program = Program(path)
    wanted = re.compile(arguments.only)
    names = [name for name in program.rows if name == FLOOR or wanted.search(name)]
    rows: dict[str, dict] = {name: {"rounds_ns": []} for name in names}
    for number in range(arguments.rounds):
        if sys.stderr.isatty():
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            measured = program.run(name, arguments.records)
            rows[name]["rounds_ns"].append(round(measured["ns"], 1))
            rows[name]["allocations"] = round(measured["allocations"], 4)
    program.close()

    count, counted_by = None, "not counted"
    if not arguments.no_instructions:
        if has_counter():
            count, counted_by = by_perf, "the hardware's counter, user space"
        elif shutil.which("valgrind"):
            count, counted_by = by_callgrind, f"callgrind over {COUNTED_RECORDS} records; no hardware counter here"
        else:
            counted_by = "not available: no hardware counter and no valgrind here"
    floor = statistics.median(rows[FLOOR]["rounds_ns"])
    for name, row in rows.items():
        row["ns"] = statistics.median(row["rounds_ns"])
        row["ns_beyond_floor"] = round(row["ns"] - floor, 1)
        row["instructions"] = round(count(path, name)) if count else None
    report = {
        "rows": [{"row": name, **row} for name, row in rows.items()],
        "growth": {
            f"{to} against {of} in flight": ratio(rows, f"{to} in flight", f"{of} in flight")
            for of, to in ((1, 256), (256, 1024), (256, 8192), (256, 100_000))
        }
        | {
            f"{to} against 256 in flight, ending in any order": ratio(
                rows, f"{to} in flight, ending in any order", "256 in flight, ending in any order"
            )
            for to in (8192, 100_000)
        },
        "instructions_by": counted_by,
        "records": arguments.records,
        "rounds": arguments.rounds,
        "machine": machine(),
    }
    print_table(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
