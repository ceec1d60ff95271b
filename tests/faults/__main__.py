"""./dev chaos and ./dev soak."""

from __future__ import annotations

import argparse
import os
import pathlib
import shlex
import sys
import time

import yaml

from servers.fleet import Fleet
from servers.process import ServerError
from servers.state import BUILD

from . import chaos, foreign, soak

SERVERS = ("kafka", "cassandra", "registry")
HOUR_S = 3600.0
TRANSACTION = 100  # records


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storm = commands.add_parser(
        "chaos",
        prog="./dev chaos",
        help="faults by seed in a group of processes, with an offline check and a report",
        description="Kills, stops, pauses and restarts the processes of one consumer group for a number of minutes, then "
        "checks that nothing was lost and prints a report. Without --application: the navigation example on servers "
        "of its own; the broker is restarted too and every effect is checked. With it: your application on your "
        "servers with your load; the checks use what is visible from outside.",
    )
    storm.add_argument("--minutes", type=float, default=5.0)
    storm.add_argument("--seed", type=int, help="seed of the faults and the records; random by default, and printed")
    storm.add_argument("--protocol", choices=chaos.PROTOCOLS, help="group protocol; classic unless given")
    storm.add_argument("--processes", type=int, default=3)
    storm.add_argument("--workers", type=int, default=2, help="of each process of the example")
    storm.add_argument("--transactions", action="store_true", help="the example's records are written in transactions")
    storm.add_argument("--rate", type=float, default=chaos.RATE, help="records per second, of the example")
    storm.add_argument("--report", type=pathlib.Path, help="also write the report to this file")
    storm.add_argument("--application", help="command of a Millrace application, called with: run CONFIG --set ...")
    storm.add_argument("--config", type=pathlib.Path, help="configuration of the application")
    long = commands.add_parser("soak", prog="./dev soak", help="steady load; checks memory, descriptors and latency for growth")
    long.add_argument("hours", type=float)
    long.add_argument("--seed", type=int)
    long.add_argument("--rate", type=float, default=soak.RATE, help="records per second")
    long.add_argument("--ignore-latency", action="store_true", help="report latency without a verdict on it")
    arguments = parser.parse_args()
    if arguments.command == "chaos" and bool(arguments.application) != bool(arguments.config):
        parser.error("--application and --config must be given together")
    if arguments.seed is None:
        arguments.seed = chaos.default_seed()
    print(f"seed {arguments.seed}", flush=True)
    folder = (BUILD / "servers" / f"{arguments.command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}").resolve()
    try:
        if arguments.command == "chaos" and arguments.application:
            return of_a_user(arguments, folder)
        return on_own_servers(arguments, folder)
    except (ServerError, foreign.Unusable) as failure:
        print(f"{arguments.command}: {failure}", file=sys.stderr)
        return 1


def on_own_servers(arguments: argparse.Namespace, folder: pathlib.Path) -> int:
    fleet = Fleet(folder)
    try:
        servers = fleet.need(*SERVERS)
        seed, rate = arguments.seed, arguments.rate
        if arguments.command == "soak":
            seconds, latency = arguments.hours * HOUR_S, not arguments.ignore_latency
            return 0 if soak.run(servers, folder / "soak", seconds, seed, rate, latency, say) else 1
        protocol = arguments.protocol or "classic"
        setup = chaos.example(
            servers,
            folder / "chaos",
            arguments.processes,
            protocol,
            seed,
            rate,
            arguments.workers,
            TRANSACTION if arguments.transactions else 0,
        )
        return play(arguments, setup, broker=True)
    finally:
        fleet.kill()
        fleet.remove_data()


def of_a_user(arguments: argparse.Namespace, folder: pathlib.Path) -> int:
    config = yaml.safe_load(arguments.config.read_text())
    command = shlex.split(arguments.application)
    setup = foreign.application(
        command, arguments.config.resolve(), config, folder, arguments.processes, arguments.protocol, arguments.seed
    )
    return play(arguments, setup, broker=False)


def play(arguments: argparse.Namespace, setup: chaos.Setup, broker: bool) -> int:
    happening = chaos.timed(arguments.seed, arguments.minutes * 60.0, broker)
    report, verdict = chaos.Chaos(setup, say).run(happening)
    print(f"\n{report}")
    if arguments.report:
        arguments.report.write_text(report + "\n")
    return 0 if verdict.passed else 1


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
