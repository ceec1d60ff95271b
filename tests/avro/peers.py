"""The implementations: ours behind avro_driver, Avro for Java behind oracle/Oracle.java, fastavro in this process.
The first two take many requests at once; each is a process of its own."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Sequence

from servers import maven

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORACLE = pathlib.Path(__file__).parent / "oracle" / "Oracle.java"
BATCH = 5_000  # requests to one process
TIMEOUT_S = 300

Request = Sequence[str]
Answer = tuple[str, str]  # "ok", "refused" or "error", and what


def driver() -> str:
    build = pathlib.Path(os.environ.get("MILLRACE_BUILD", "build"))
    found = (build if build.is_absolute() else ROOT / build) / "dev" / "tests" / "avro" / "avro_driver"
    assert found.exists(), f"{found} is missing: ninja -C {build}/dev avro_driver"
    return str(found)


def oracle() -> list[str]:
    """The command that runs the Java side, compiled once for each version of it."""
    jars = maven.class_path(maven.server_folder("avro"))
    stamp = hashlib.sha256(ORACLE.read_bytes() + jars.encode()).hexdigest()[:12]
    classes = maven.cache_folder() / f"avro-oracle-{stamp}"
    if not classes.exists():
        part = classes.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        compiler = pathlib.Path(maven.java()).resolve().parent / "javac"
        assert compiler.exists(), f"{compiler} is missing: install openjdk-17-jdk-headless"
        subprocess.run([str(compiler), "-cp", jars, "-d", str(part), str(ORACLE)], check=True, timeout=TIMEOUT_S)
        part.rename(classes)
    return [maven.java(), "-Xss2m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-cp", f"{classes}:{jars}", "Oracle"]


def ask(command: Sequence[str], requests: Sequence[Request]) -> list[Answer]:
    answers: list[Answer] = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        text = "".join("\t".join(request) + "\n" for request in batch)
        ran = subprocess.run(command, input=text.encode(), capture_output=True, timeout=TIMEOUT_S)
        lines = ran.stdout.decode().split("\n")[:-1]
        assert ran.returncode == 0 and len(lines) == len(batch), (
            f"{command[0]} ended with {ran.returncode} at request {len(lines)}: "
            f"{batch[len(lines)] if len(lines) < len(batch) else ''} {ran.stderr.decode()[-2000:]}"
        )
        answers += [(word, what) for word, _, what in (line.partition("\t") for line in lines)]
    return answers


def ours(requests: Sequence[Request]) -> list[Answer]:
    return ask([driver()], requests)


def java(requests: Sequence[Request]) -> list[Answer]:
    return ask(oracle(), requests)
