#!/usr/bin/env python3
"""CPU time per request of a typed statement, against a tuned Rust program over the same driver.

Both talk to the CQL emulator, in a process of its own, over one connection. Rounds are interleaved, so that a machine
that others use too disturbs both alike: believe the ratio. --no-peer leaves the Rust program out.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "avro"))
import peers  # noqa: E402

RATIO_MAX = 1.5


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


def measure(command: list[str], address: str, kind: str, arguments: argparse.Namespace) -> dict:
    full = [*command, address, kind, str(arguments.requests), str(arguments.in_flight)]
    done = subprocess.run(full, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: {full[0]} failed")
    return json.loads(done.stdout)


def medians(rounds: list[dict]) -> dict:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./dev bench cql", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000, help="per round")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--no-peer", action="store_true", help="omit the Rust program")
    arguments = parser.parse_args()
    program = str(arguments.build.resolve() / "bench/cql/bench_cql")
    contestants = {"millrace": [program, "load"]}
    if not arguments.no_peer:
        try:
            contestants["rust"] = [str(peer(arguments.cache))]
        except peers.Missing as why:
            peers.say(f"without the Rust program: {why}")
    results: dict = {"in_flight": arguments.in_flight, "requests": arguments.requests, "rounds": arguments.rounds}
    with subprocess.Popen([program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        for kind in ("insert", "select"):
            rounds: dict[str, list[dict]] = {name: [] for name in contestants}
            for _ in range(arguments.rounds):
                for name, command in contestants.items():
                    rounds[name].append(measure(command, address, kind, arguments))
            results[kind] = {name: medians(all_of_it) for name, all_of_it in rounds.items()}
        server.stdin.close()
    report(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def report(results: dict) -> None:
    print(f"{results['in_flight']} in flight, one connection, median of {results['rounds']} rounds")
    for kind in ("insert", "select"):
        for name, of in results[kind].items():
            parts = f", {of['worker_cpu_us']:.2f} of them the worker's" if "worker_cpu_us" in of else ""
            rate = f"{of['requests_per_second']:,.0f} requests/s"
            print(f"{kind:8} {name:10} {of['cpu_us']:6.2f} us CPU per request{parts}; {rate}")
        if "rust" in results[kind]:
            ratio = results[kind]["millrace"]["cpu_us"] / results[kind]["rust"]["cpu_us"]
            results[kind]["ratio"] = ratio
            print(f"{kind:8} ratio      {ratio:6.2f} ({'within' if ratio <= RATIO_MAX else 'above'} {RATIO_MAX})")


if __name__ == "__main__":
    main()
