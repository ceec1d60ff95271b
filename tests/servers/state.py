"""The state file of `up`: which servers run and how to reach them, for other programs."""

from __future__ import annotations

import json
import os
import pathlib

from .access import CassandraAccess, KafkaAccess, RegistryAccess

NAMES = ("kafka", "cassandra", "registry")
BUILD = pathlib.Path(__file__).resolve().parents[2] / os.environ.get("MILLRACE_BUILD", "build")
UP_FOLDER = BUILD / "servers" / "up"


def load(folder: pathlib.Path) -> dict | None:
    """What `up` left in its run folder, or None when nothing is up."""
    file = folder / "state.json"
    return json.loads(file.read_text()) if file.exists() else None


def access_of(state: dict) -> tuple[KafkaAccess, CassandraAccess, RegistryAccess]:
    """How to reach the servers of a state file."""
    kafka, cassandra, registry = (state["servers"][name]["access"] for name in NAMES)
    return KafkaAccess(**kafka), CassandraAccess(**cassandra), RegistryAccess(**registry)
