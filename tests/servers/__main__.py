"""python -m servers up [--tls] [--example] | down: the test servers for a person (./dev up, ./dev down)."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import time

from .access import CassandraAccess
from .fleet import SECURE, Fleet
from .process import ServerError
from .registry import API
from .state import NAMES, UP_FOLDER, access_of, load

STOP_TIMEOUT_S = 30.0
PORTS = {"kafka": 9092, "cassandra": 9042, "registry": 8081}  # where people, and the example's config.yaml, expect them


def main() -> int:
    parser = argparse.ArgumentParser(prog="servers", description="Kafka, Cassandra and a schema registry on 127.0.0.1.")
    parser.add_argument("--folder", type=pathlib.Path, default=UP_FOLDER, help="run folder")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the servers and leave them running")
    up.add_argument("--tls", action="store_true", help="TLS everywhere, passwords on Kafka and Cassandra")
    up.add_argument("--example", action="store_true", help="also create the tables, profiles and topics of the example")
    commands.add_parser("down", help="stop them and delete their data")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            return start(arguments.folder.resolve(), arguments.tls, arguments.example)
        return stop(arguments.folder.resolve())
    except ServerError as failure:
        print(f"servers: {failure}", file=sys.stderr)
        return 1


def start(folder: pathlib.Path, tls: bool, example: bool) -> int:
    state = load(folder)
    if state and any(_is_ours(server) for server in state["servers"].values()):
        if state["tls"] != tls:
            print(
                f"servers: already up {'with' if state['tls'] else 'without'} --tls; stop them first with ./dev down",
                file=sys.stderr,
            )
            return 1
    else:
        state = _launch(folder, tls)
    if example:
        from integration import navigation

        kafka, cassandra, _ = access_of(state)
        navigation.prepare(kafka, cassandra, navigation.Generator().records(navigation.PREPARED_COUNT))
    print(_summary(folder, state))
    return 0


def stop(folder: pathlib.Path) -> int:
    state = load(folder)
    running = {name: server for name, server in state["servers"].items() if _is_ours(server)} if state else {}
    for server in running.values():
        os.kill(server["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while any(_is_ours(server) for server in running.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for server in running.values():
        if _is_ours(server):
            os.kill(server["pid"], signal.SIGKILL)
    for data in folder.glob("*/data*"):
        shutil.rmtree(data, ignore_errors=True)
    (folder / "state.json").unlink(missing_ok=True)
    print(f"stopped: {', '.join(running)}; logs stay in {folder}" if running else "no server was running")
    return 0


def _launch(folder: pathlib.Path, tls: bool) -> dict:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fleet = Fleet(folder, tied=False, ports=PORTS)
    servers = fleet.need(*(f"{SECURE if tls else ''}{name}" for name in NAMES))
    state = {
        "tls": tls,
        "servers": {
            name: {
                "pid": server.processes[0].pid,
                "folder": str(server.folder),
                "started_in_s": round(server.started_in_s(), 1),
                "access": server.describe(),
            }
            for name, server in zip(NAMES, servers)
        },
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
    return state


def _is_ours(server: dict) -> bool:
    """Whether the pid still is the server that was started there, and not a later process with its number."""
    try:
        return os.readlink(f"/proc/{server['pid']}/cwd") == server["folder"]
    except OSError:
        return False


def _summary(folder: pathlib.Path, state: dict) -> str:
    servers = state["servers"]
    kafka, cassandra, registry = (servers[name]["access"] for name in NAMES)
    pids = ", ".join(f"{name} {server['pid']}" for name, server in servers.items())
    lines = [
        f"Kafka      {kafka['bootstrap']}",
        f"Cassandra  127.0.0.1:{cassandra['port']}   datacentre {CassandraAccess.datacentre}",
        f"Registry   {registry['url']}",
    ]
    if state["tls"]:
        lines += [
            f"CA         {kafka['ca']}   (of all three)",
            f"Kafka      SASL_SSL, SCRAM-SHA-512 or PLAIN, user {kafka['username']}, password {kafka['password']}",
            f"Cassandra  user {cassandra['username']}, password {cassandra['password']}",
        ]
    lines += [
        f"Pids       {pids}",
        f"Logs       {folder}   (state.json has all of this for programs)",
        "",
        "./dev example --help   makes the example's tables and topics, writes records, checks what came of them",
        "./dev down             stops the servers",
    ]
    if not state["tls"]:
        settings = {
            "kafka.bootstrap_servers": (kafka["bootstrap"], f"127.0.0.1:{PORTS['kafka']}"),
            "cql.contact_points": (f"127.0.0.1:{cassandra['port']}", f"127.0.0.1:{PORTS['cassandra']}"),
            "registry.urls": (registry["url"], f"http://127.0.0.1:{PORTS['registry']}{API}"),
        }
        others = [f" --set {key}={here}" for key, (here, usual) in settings.items() if here != usual]
        lines.append(f"millrace run examples/navigation/config.yaml{''.join(others)}   runs the example")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
