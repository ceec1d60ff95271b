"""`./dev bench json`: documents by a schema into structs, against simdjson's On Demand by hand, by CPU time.

The rows, the data and the measurement are those of bench/avro. Exit code 1: a bar is not held, or checksums differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "avro"))
sys.path.insert(0, str(HERE.parent / "cql"))

import bars  # noqa: E402 - the path comes first
import peers  # noqa: E402 - the path comes first

BOUND = 1.5
PEER = "simdjson On Demand, JSON"
AGAINST = {"every field, struct against On Demand": ("millrace JSON struct, views", PEER)}


def avro_driver():
    """bench/avro/run.py, whose name this file has too."""
    spec = importlib.util.spec_from_file_location("avro_driver", HERE.parent / "avro" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench json", description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.records < 1:
        parser.error("--rounds and --records are at least 1")

    avro = avro_driver()
    cache = arguments.cache.resolve()
    data, manifest = avro.make_data(cache, peers.python_environment(cache), arguments.records, arguments.seed)
    programs = [avro.our_program(data, arguments.build.resolve())]
    skipped = {}
    try:
        command, flags = peers.native(cache, "simdjson", "simdjson", "g++", "simdjson_peer.cc")
        programs.append(avro.Program("simdjson", [*command, str(data), str(avro.REFERENCE)], flags))
    except peers.Missing as why:
        skipped["simdjson"] = str(why)
    rows = [avro.Row(program, name) for program in programs for name in program.rows if "JSON" in name]
    for row in rows:
        row.checksum = row.program.checksum(row.name)  # also warms up
        row.program.pass_seconds(row.name)
    for _ in range(arguments.rounds):
        for row in rows:
            row.measure()
    for program in programs:
        program.close()

    seconds = {row.name: statistics.median(row.seconds) for row in rows}
    asked = bars.Bars()
    for bar, (ours, peer) in AGAINST.items():
        if peer in seconds:
            asked.at_most(bar, BOUND, seconds[ours] / seconds[peer])
    report = {
        "rows": [row.report(manifest, seconds["millrace JSON struct, views"]) for row in rows],
        "checksums_equal": all(row.checksum == manifest["checksums"][row.fields] for row in rows),
        "bars": asked.all,
        "skipped": skipped,
        "records": manifest["records"],
        "bytes_per_record": manifest["bytes"]["json"] / manifest["records"],
        "rounds": arguments.rounds,
        "machine": avro.machine(),
    }
    avro.print_table(report)
    asked.show()
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report["checksums_equal"] and all(bar["held"] for bar in asked.all) else 1


if __name__ == "__main__":
    sys.exit(main())
