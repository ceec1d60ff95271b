"""`./dev bench pipeline`: the same work by Millrace and by what users would pick instead, on the same servers.

Prints the tables that README.md explains; --json writes them as JSON. Contestants whose tools are missing are skipped
with a message.
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
from growth import measure_growth, print_growth  # noqa: E402
from measure import JOINED, Run, measure  # noqa: E402
from environment import Environment  # noqa: E402

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
ENGINE_BAR_US = 1.0  # the engine with a processor that does nothing, above consuming and decoding
MEMORY_BAR_BYTES = 20_000_000  # above rust-tuned
GROWTH_BAR = 1.15
OFFERED_SECONDS = 20


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the results as JSON")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", default="256,1024", metavar="N,N", help="limits of records in flight")
    parser.add_argument("--only", metavar="REGEX", help="contestants whose name matches, besides millrace")
    parser.add_argument(
        "--rate", type=int, default=0, metavar="N", help="then repeat with an offered rate of N records per second"
    )
    parser.add_argument("--growth", action="store_true", help="then measure how the cost of a record grows (Millrace only)")
    parser.add_argument(
        "--cassandra", type=int, default=0, metavar="N", help="then repeat with a real Cassandra and N records each"
    )
    parser.add_argument("--no-limits", action="store_true", help="omit the separate measurements of consuming, decoding and the engine")
    return parser.parse_args()


def machine() -> str:
    models = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{len(models)} x {models[0] if models else platform.machine()}, Linux {platform.release()}"


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


def bars(rows: list[dict], limits: dict[str, float], growth: list[dict], in_flight: int) -> list[dict]:
    """The requirement and the measured value."""
    by_name = {row["name"]: row for row in rows if row["in_flight_max"] == in_flight}
    ours = by_name["millrace"]
    found = []

    def bar(what: str, unit: str, asked: float, came_to: float, held: bool) -> None:
        found.append({"what": what, "unit": unit, "asked": asked, "came_to": round(came_to, 2), "held": held})

    for name, least in BARS.items():
        if name in by_name:
            ratio = by_name[name]["cpu_us_per_record"] / ours["cpu_us_per_record"]
            bar(f"CPU per record against {name}", "times less, at least", least, ratio, ratio >= least)
    if "millrace-cache" in by_name:
        ratio = ours["cpu_us_per_record"] / by_name["millrace-cache"]["cpu_us_per_record"]
        bar("the lookup's cache on against off", "times less, at least", CACHE_BAR, ratio, ratio >= CACHE_BAR)
    if limits:
        above = limits["idle_us_per_record"] - limits["decode_us_per_record"]
        bar("the engine above consuming and decoding", "us, at most", ENGINE_BAR_US, above, above <= ENGINE_BAR_US)
    if "rust-tuned" in by_name:
        above = (ours["rss_bytes"] - by_name["rust-tuned"]["rss_bytes"]) / 1e6
        bar("memory above rust-tuned", "MB, at most", MEMORY_BAR_BYTES / 1e6, above, above * 1e6 <= MEMORY_BAR_BYTES)
    for dimension, value, what in (("in flight", "8,192", "from 256 to 8,192 in flight"), ("partitions", "100", "from 1 to 100 partitions")):
        for row in growth:
            if (row["dimension"], row["value"]) == (dimension, value):
                grown = row["against_base"]
                bar(f"cost of a record {what}", "times, at most", GROWTH_BAR, grown, grown <= GROWTH_BAR)
    return found


def print_bars(found: list[dict]) -> None:
    print("\nAgainst the bars:")
    for one in found:
        held = "held" if one["held"] else "NOT HELD"
        print(f"  {one['what']:<44}{one['came_to']:>9.2f}  ({one['unit']} {one['asked']:g})  {held}")


def offered(
    contestants: list[Contestant], kafka, environment: Environment, rate: int, seconds: int, in_flight: int, folder: pathlib.Path
) -> list[dict]:
    """Latency of each contestant at the same fixed offered rate, below saturation."""
    rows = []
    records = rate * seconds
    for number, contestant in enumerate(one for one in contestants if not one.missing):
        topic = f"offered-{number}"
        kafka.create_topic(topic, PARTITIONS)
        environment.fill(kafka.bootstrap, topic, JOINED)

        def feed(topic: str = topic) -> None:
            environment.fill(kafka.bootstrap, topic, records - JOINED, first=JOINED, rate=rate)

        run = measure(contestant, kafka.bootstrap, topic, topic, environment, records, in_flight, folder, feed)
        print(f"  offered {rate}/s: {contestant.name}: P99 {run.p99_ms:.2f} ms", file=sys.stderr, flush=True)
        rows.append(report(contestant, in_flight, [run]) | {"offered_per_second": rate})
    return rows


def with_cassandra(
    contestants: list[Contestant], kafka, environment: Environment, records: int, in_flight: int, folder: pathlib.Path
) -> list[dict]:
    from cassandra_environment import CassandraEnvironment  # known to the tests' Python only

    topic = "real"
    kafka.create_topic(topic, PARTITIONS)
    environment.fill(kafka.bootstrap, topic, records)
    real = CassandraEnvironment(environment, folder, kafka.bootstrap, PARTITIONS, records)
    rows = []
    try:
        turn = [one for one in contestants if not one.missing]
        measure(turn[0], kafka.bootstrap, topic, "warming", real, records, in_flight, folder)
        for contestant in turn:
            run = measure(contestant, kafka.bootstrap, topic, f"{contestant.name}-real", real, records, in_flight, folder)
            print(f"  cassandra: {contestant.name}: {run.cpu_us_per_record:.1f} us", file=sys.stderr, flush=True)
            rows.append(report(contestant, in_flight, [run]))
    finally:
        real.close()
    return rows


def print_offered(rows: list[dict]) -> None:
    print(f"\n{rows[0]['offered_per_second']} records/s offered to each, milliseconds from fetch to acknowledgement:")
    for row in rows:
        print(
            f"  {row['name']:<16}{row['p50_ms']:>8.2f}{row['p95_ms']:>8.2f}{row['p99_ms']:>8.2f}"
            f"  {'verified' if row['verified'] else 'NOT VERIFIED'}"
        )


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
        environment = Environment(program, folder / "environment.log")
        try:
            kafka.create_topic(TOPIC, PARTITIONS)
            kafka.create_topic("navigation-dlq", 1)
            filled = environment.fill(kafka.bootstrap, TOPIC, arguments.records)
            mean = filled["bytes"] / filled["records"]
            print(
                f"{filled['records']} records of {mean:.0f} bytes over {PARTITIONS} partitions, {arguments.rounds} rounds; "
                f"{machine()}",
                flush=True,
            )
            for round_number in range(arguments.rounds):
                for in_flight in limits_of_flight:
                    turn = [one for one in contestants if not one.missing]
                    shift = round_number % len(turn)
                    for contestant in turn[shift:] + turn[:shift]:
                        group = f"{contestant.name}-{in_flight}-{round_number}"
                        run = measure(contestant, kafka.bootstrap, TOPIC, group, environment, arguments.records, in_flight, folder)
                        runs.setdefault((contestant.name, in_flight), []).append(run)
                        print(
                            f"  round {round_number + 1}: {group}: {run.cpu_us_per_record:.1f} us, "
                            f"{run.records_per_second:.0f}/s{'' if run.verified else ', NOT VERIFIED'}",
                            file=sys.stderr,
                            flush=True,
                        )
                if not arguments.no_limits:
                    measured = Limits(program, folder, environment).measure(
                        kafka.bootstrap, TOPIC, f"limits-{round_number}", arguments.records, limits_of_flight[0]
                    )
                    for name, value in measured.items():
                        limits.setdefault(name, []).append(value)
            offered_rows = (
                offered(contestants, kafka, environment, arguments.rate, OFFERED_SECONDS, limits_of_flight[0], folder)
                if arguments.rate
                else []
            )
            real_rows = (
                with_cassandra(contestants, kafka, environment, arguments.cassandra, limits_of_flight[0], folder)
                if arguments.cassandra
                else []
            )
            growth = (
                measure_growth(program, folder, kafka, environment, arguments.records, arguments.rounds)
                if arguments.growth
                else []
            )
        finally:
            environment.close()
            kafka.stop()

    rows = [
        report(contestant, in_flight, runs[contestant.name, in_flight])
        for in_flight in limits_of_flight
        for contestant in contestants
        if (contestant.name, in_flight) in runs
    ]
    medians = {name: round(statistics.median(values), 3) for name, values in limits.items()}
    print_table(rows)
    if offered_rows:
        print_offered(offered_rows)
    if real_rows:
        print("\nWith a real Cassandra on the same machine:")
        print_table(real_rows)
    if growth:
        print_growth(growth)
    judged = bars(rows, medians, growth, limits_of_flight[0])
    print_bars(judged)
    if medians:
        print("\nLimits (medians):")
        for name, value in medians.items():
            print(f"  {name:<44}{value:>12}")
    for contestant in contestants:
        if contestant.missing:
            print(f"skipped: {contestant.name}: {contestant.missing}")
    if arguments.json:
        about = {
            "records": arguments.records,
            "bytes_per_record": round(mean),
            "rounds": arguments.rounds,
            "machine": machine(),
        }
        whole = {"about": about, "rows": rows, "limits": medians, "offered": offered_rows, "cassandra": real_rows, "growth": growth, "bars": judged}
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n")
    if not all(row["verified"] for row in rows + offered_rows + real_rows + growth):
        sys.exit("the rows of a contestant were incomplete or wrong; its figures are invalid")


if __name__ == "__main__":
    main()
