"""Somebody else's Millrace application: run from its own configuration, judged by what is seen from outside."""

from __future__ import annotations

import os
import pathlib
import re
import shutil

from servers.process import free_port

from .chaos import Setup
from .member import Member

REFERENCE = re.compile(r"\$\{(file|env):([^}]+)\}")


class Unusable(RuntimeError):
    """The command or its configuration cannot be used. The message is for a person."""


def resolved(value: str) -> str:
    """References to files and to the environment, replaced as the application does."""

    def replace(reference: re.Match) -> str:
        kind, name = reference.groups()
        if kind == "env":
            if name not in os.environ:
                raise Unusable(f"the configuration refers to the environment variable {name}, which is not set")
            return os.environ[name]
        try:
            return pathlib.Path(name).read_text().rstrip("\n")
        except OSError as failure:
            raise Unusable(f"the configuration refers to a file that cannot be read: {failure}") from failure

    return REFERENCE.sub(replace, value)


def client_config(kafka: dict) -> dict[str, str]:
    """What the checker's own clients need to reach the same brokers; properties of the group are the members'."""
    reach = ("security.", "ssl.", "sasl.", "enable.ssl", "broker.address")
    properties = {key: resolved(str(value)) for key, value in kafka.get("properties", {}).items()}
    chosen = {key: value for key, value in properties.items() if key.startswith(reach)}
    return chosen | {"bootstrap.servers": resolved(str(kafka["bootstrap_servers"]))}


def application(
    command: list[str],
    config_file: pathlib.Path,
    config: dict,
    folder: pathlib.Path,
    processes: int,
    protocol: str | None,
    seed: int,
) -> Setup:
    """Its processes share the configuration; each gets an admin port, and a static id when there are static ids."""
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise Unusable(f"program not found: {command[0] if command else ''}")
    try:
        kafka, letters = config["kafka"], resolved(config["engine"]["dead_letter_topic"])
        group, topics = resolved(kafka["group"]), [resolved(topic) for topic in kafka["topics"]]
        access = client_config(kafka)
    except (KeyError, TypeError) as missing:
        raise Unusable(f"{config_file} does not name {missing}") from missing
    members = []
    for number in range(1, processes + 1):
        port = free_port()
        settings = {"admin.address": "127.0.0.1", "admin.port": str(port)}
        if protocol:
            settings["kafka.protocol"] = protocol
        if kafka.get("instance_id"):
            settings["kafka.instance_id"] = f"{resolved(kafka['instance_id'])}-{number}"
        line = [str(pathlib.Path(program).resolve()), *command[1:], "run", str(config_file)]
        for key, value in settings.items():
            line += ["--set", f"{key}={value}"]
        members.append(Member(f"member-{number}", folder / f"member-{number}", line, port))
    title = {
        "application": f"{' '.join(command)} run {config_file.name}, {processes} processes, group {group}",
        "load": f"of its own, topics {', '.join(topics)}; faults of seed {seed}",
    }
    return Setup(title, members, access, group, topics, letters, seed=seed)
