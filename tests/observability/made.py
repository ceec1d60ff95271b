"""The output of tools/observability, and the program whose catalogue it reads."""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import sys
import tempfile

from servers.state import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("MILLRACE_PROGRAM", BUILD / "dev" / "apps" / "millrace" / "millrace"))
TOOL = ROOT / "tools" / "observability"
sys.path.insert(0, str(TOOL))

import alerts  # noqa: E402
import dashboard  # noqa: E402
import panels  # noqa: E402
import rules  # noqa: E402
from catalogue import Catalogue  # noqa: E402


@functools.cache
def catalogue_file() -> pathlib.Path:
    printed = subprocess.run([PROGRAM, "metrics"], capture_output=True, check=True, timeout=60).stdout
    file = pathlib.Path(tempfile.mkstemp(suffix=".json")[1])
    file.write_bytes(printed)
    return file


@functools.cache
def catalogue() -> Catalogue:
    return Catalogue.load(catalogue_file())


def generate(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, TOOL, "--catalogue", catalogue_file(), "--root", folder, *arguments],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
