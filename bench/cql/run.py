#!/usr/bin/env python3
"""What requests to the database cost, and what a cluster that misbehaves does to them.

plain, tls, lz4   CPU time per request against a tuned Rust program over the ScyllaDB driver, with the same transport
tablets           CPU time on a keyspace with tablets against one without, in one cluster of three nodes of two shards
statements        CPU time of conditional and traced statements and of batches against a plain INSERT
failing           records per second when one node of three begins to fail every request
memory            resident memory while no node reads what is sent

The server is the CQL emulator, in a process of its own. Rounds are interleaved: believe the ratios.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "avro"))
import faults  # noqa: E402
import peers  # noqa: E402
from bars import Bars  # noqa: E402
from cpu import Cpu  # noqa: E402
from serving import Broken, make_certificates  # noqa: E402

PARTS = ("plain", "tls", "lz4", "tablets", "statements", "failing", "memory")
AGAINST_PEER = {"plain", "tls", "lz4"}
QUICK = 10  # times fewer requests


def peer(cache: pathlib.Path) -> pathlib.Path:
    """The Rust program, built once from its pinned sources."""
    peers.need("cargo")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        target = cache / "peers/cargo-cql"
        cargo = ["cargo", "build", "--release", "--locked", "--manifest-path", peers.PEERS / "cql/Cargo.toml"]
        peers.run([*cargo, "--target-dir", target], "cql", log)
        (folder / "cql-peer").write_bytes((target / "release/cql-peer").read_bytes())
        (folder / "cql-peer").chmod(0o755)

    return peers.built(cache, "cql", build) / "cql-peer"


def part_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench cql", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there")
    parser.add_argument("--only", type=part_names, default=list(PARTS), metavar="PART,...", help="these parts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000, help="per round; in batches, rows")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--stall-seconds", type=int, default=60, help="how long no node reads (memory)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, to try it out")
    parser.add_argument("--no-peer", action="store_true", help="omit the Rust program")
    arguments = parser.parse_args()
    if arguments.stall_seconds <= faults.STALL_SETTLE_SECONDS:
        parser.error(f"--stall-seconds: more than {faults.STALL_SETTLE_SECONDS}")
    if arguments.quick:
        arguments.requests = max(1, arguments.requests // QUICK)
    return arguments


def rust(arguments: argparse.Namespace) -> str | None:
    if arguments.no_peer or not AGAINST_PEER & set(arguments.only):
        return None
    try:
        return str(peer(arguments.cache))
    except peers.Missing as why:
        peers.say(f"without the Rust program: {why}")
        return None


def main() -> None:
    arguments = parse()
    program = str(arguments.build.resolve() / "bench/cql/bench_cql")
    about = {"in_flight": arguments.in_flight, "requests": arguments.requests, "rounds": arguments.rounds}
    size = f"{arguments.requests:,} requests a round"
    print(f"{arguments.in_flight} in flight, {size}, medians of {arguments.rounds} rounds")
    results: dict = dict(about)
    bars = Bars()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = pathlib.Path(name)
        try:
            if "tls" in arguments.only:
                make_certificates(folder)
            cpu = Cpu(arguments, program, rust(arguments), folder, bars)
            parts = {
                "plain": cpu.plain,
                "tls": cpu.tls,
                "lz4": cpu.lz4,
                "tablets": cpu.tablets,
                "statements": cpu.statements,
                "failing": lambda: faults.failing(arguments, program, bars),
                "memory": lambda: faults.memory(arguments, program, bars),
            }
            for part in arguments.only:
                results[part] = parts[part]()
        except Broken as why:
            raise SystemExit(f"bench: {why}") from None
    bars.show()
    results["bars"] = bars.all
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
