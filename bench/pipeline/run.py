"""`./dev bench pipeline`: the same work by Millrace and by what users would pick instead, on the same servers.

Prints the table that README.md explains; --json writes it as JSON, --svg a chart of it. Contestants whose tools are
missing are skipped with a message.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests"), str(ROOT / "bench" / "avro")]

from contestants import Contestant, Limits, all_contestants  # noqa: E402 - the path comes first
from measure import Run, measure  # noqa: E402
from world import World  # noqa: E402

TOPIC = "navigation"
PARTITIONS = 20
BARS = {  # Millrace's CPU per record without cache is at least so many times less
    "rust-original": 5.5,
    "rust-tuned": 1.5,
    "go": 4.5,
    "java": 9.0,
    "python": 40.0,
}
CACHE_BAR = 1.3  # times less with the lookup's cache than without


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results as JSON, too")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", default="256,1024", metavar="N,N", help="limits of records in flight")
    parser.add_argument("--only", metavar="REGEX", help="contestants whose name matches, besides millrace")
    parser.add_argument("--no-limits", action="store_true", help="leave out consuming, decoding and the engine alone")
    return parser.parse_args()


def report(contestant: Contestant, in_flight: int, runs: list[Run]) -> dict:
    """The medians of a contestant's rounds; void when one of them lost, doubled or mistook a record."""

    def median(value) -> float:
        return statistics.median(value(run) for run in runs)

    return {
        "name": contestant.name,
        "in_flight_max": in_flight,
        "cpu_us_per_record": round(median(lambda run: run.cpu_us_per_record), 2),
        "cpu_us_least": round(min(run.cpu_us_per_record for run in runs), 2),
        "cpu_us_most": round(max(run.cpu_us_per_record for run in runs), 2),
        "records_per_second": round(median(lambda run: run.records_per_second)),
        "p50_ms": round(median(lambda run: run.p50_ms), 2),
        "p95_ms": round(median(lambda run: run.p95_ms), 2),
        "p99_ms": round(median(lambda run: run.p99_ms), 2),
        "rss_bytes": round(median(lambda run: run.rss_bytes)),
        "threads": round(median(lambda run: run.threads)),
        "switches_per_record": round(median(lambda run: run.switches_per_record), 3),
        "verified": all(run.verified for run in runs),
        "flags": contestant.flags,
    }


def print_table(rows: list[dict]) -> None:
    print(
        f"\n{'contestant':<16}{'in flight':>10}{'CPU us/rec':>12}{'x ours':>8}{'rec/s':>9}{'p50 ms':>8}{'p95 ms':>8}"
        f"{'p99 ms':>8}{'MB':>6}{'threads':>8}{'csw/rec':>9}  verified"
    )
    for row in rows:
        ours = next(
            one["cpu_us_per_record"]
            for one in rows
            if one["name"] == "millrace" and one["in_flight_max"] == row["in_flight_max"]
        )
        print(
            f"{row['name']:<16}{row['in_flight_max']:>10}{row['cpu_us_per_record']:>12.1f}"
            f"{row['cpu_us_per_record'] / ours:>8.2f}{row['records_per_second']:>9}{row['p50_ms']:>8.2f}{row['p95_ms']:>8.2f}"
            f"{row['p99_ms']:>8.2f}{row['rss_bytes'] / 1e6:>6.0f}{row['threads']:>8}{row['switches_per_record']:>9.3f}"
            f"  {'yes' if row['verified'] else 'NO'}"
        )


def print_bars(rows: list[dict], in_flight: int) -> None:
    by_name = {row["name"]: row for row in rows if row["in_flight_max"] == in_flight}
    ours = by_name["millrace"]["cpu_us_per_record"]
    print(f"\nAgainst the bars, {in_flight} in flight (CPU per record, times less than the contestant's):")
    if "millrace-cache" in by_name:
        ratio = ours / by_name["millrace-cache"]["cpu_us_per_record"]
        print(f"  {'cache on, off':<16} at least {CACHE_BAR:>5.1f}: {ratio:>7.2f}  {'held' if ratio >= CACHE_BAR else 'NOT HELD'}")
    for name, bar in BARS.items():
        if name in by_name:
            ratio = by_name[name]["cpu_us_per_record"] / ours
            print(f"  {name:<16} at least {bar:>5.1f}: {ratio:>7.2f}  {'held' if ratio >= bar else 'NOT HELD'}")


def main() -> None:
    arguments = parse()
    limits_of_flight = [int(one) for one in arguments.in_flight.split(",")]
    if sys.prefix == sys.base_prefix:  # the servers are known to the tests' Python only
        setup = [str(ROOT / "tests/servers/setup.sh"), "--jars"]
        python = subprocess.run(setup, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        raise SystemExit(subprocess.run([python, __file__, *sys.argv[1:]]).returncode)

    from servers.kafka import Kafka

    program = arguments.build / "bench/pipeline/bench_pipeline"
    only = re.compile(arguments.only) if arguments.only else None
    runs: dict[tuple[str, int], list[Run]] = {}
    limits: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder_name:
        folder = pathlib.Path(folder_name)
        contestants = list(all_contestants(program, arguments.cache, folder, only))
        kafka = Kafka(folder / "kafka", settings={"log.segment.bytes": str(1 << 30)}).start()
        world = World(program, folder / "world.log")
        try:
            kafka.create_topic(TOPIC, PARTITIONS)
            kafka.create_topic("navigation-dlq", 1)
            filled = world.fill(kafka.bootstrap, TOPIC, arguments.records)
            mean = filled["bytes"] / filled["records"]
            print(
                f"{filled['records']} records of {mean:.0f} bytes over {PARTITIONS} partitions, {arguments.rounds} rounds; "
                f"{platform.processor() or platform.machine()}, Linux {platform.release()}",
                flush=True,
            )
            for round_number in range(arguments.rounds):
                for in_flight in limits_of_flight:
                    turn = [one for one in contestants if not one.missing]
                    shift = round_number % len(turn)
                    for contestant in turn[shift:] + turn[:shift]:
                        group = f"{contestant.name}-{in_flight}-{round_number}"
                        run = measure(contestant, kafka.bootstrap, TOPIC, group, world, arguments.records, in_flight, folder)
                        runs.setdefault((contestant.name, in_flight), []).append(run)
                        print(
                            f"  round {round_number + 1}: {group}: {run.cpu_us_per_record:.1f} us, "
                            f"{run.records_per_second:.0f}/s{'' if run.verified else ', NOT VERIFIED'}",
                            file=sys.stderr,
                            flush=True,
                        )
                if not arguments.no_limits:
                    measured = Limits(program, folder, world).measure(
                        kafka.bootstrap, TOPIC, f"limits-{round_number}", arguments.records, limits_of_flight[0]
                    )
                    for name, value in measured.items():
                        limits.setdefault(name, []).append(value)
        finally:
            world.close()
            kafka.stop()

    rows = [
        report(contestant, in_flight, runs[contestant.name, in_flight])
        for in_flight in limits_of_flight
        for contestant in contestants
        if (contestant.name, in_flight) in runs
    ]
    print_table(rows)
    print_bars(rows, limits_of_flight[0])
    medians = {name: round(statistics.median(values), 3) for name, values in limits.items()}
    if medians:
        print("\nLimits (medians):")
        for name, value in medians.items():
            print(f"  {name:<44}{value:>12}")
    for contestant in contestants:
        if contestant.missing:
            print(f"skipped: {contestant.name}: {contestant.missing}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "limits": medians}, indent=1) + "\n")
    if not all(row["verified"] for row in rows):
        sys.exit("a contestant's rows were not complete and correct: its figures are void")


if __name__ == "__main__":
    main()
