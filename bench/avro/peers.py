"""The peers of bench/peers: what they need, how they are built, how they are started.

Everything comes by pinned versions through the ordinary clients, once; builds are kept in the cache folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
JAVA_MINIMUM = 17
LINES_SHOWN = 15


@dataclasses.dataclass
class Peer:
    name: str
    command: list[str] = dataclasses.field(default_factory=list)
    flags: str = ""
    missing: str = ""  # why it is skipped


class Missing(Exception):
    """A tool or a package that a peer needs is not here."""


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise Missing(f"no `{tool}`")


def run(command: list, name: str, log: pathlib.Path, **more) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as out:
        done = subprocess.run([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
        say(f"building {name} failed; the end of {log}:\n{tail}")
        raise Missing("its build failed")


def output_of(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def built(cache: pathlib.Path, name: str, build) -> pathlib.Path:
    """A folder that `build` has filled from exactly these sources."""
    sources = sorted(file for file in (PEERS / name).rglob("*") if file.is_file() and file.suffix != ".md")
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]
    folder = cache / "peers" / f"{name}-{stamp}"
    if not (folder / "complete").exists():
        say(f"building the peer {name}, once")
        folder.mkdir(parents=True, exist_ok=True)
        build(folder, folder / "build.log")
        (folder / "complete").touch()
    return folder


def python_environment(cache: pathlib.Path) -> pathlib.Path:
    """Python with the pinned packages; the data is made with it, too."""

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        run([sys.executable, "-m", "venv", folder / "venv"], "python", log)
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--only-binary", ":all:", "--requirement", PEERS / "python/requirements.txt"], "python", log)

    try:
        return built(cache, "python", build) / "venv/bin/python"
    except Missing as why:
        raise SystemExit(f"bench: the records are written with fastavro: {why}") from None


def rust(cache: pathlib.Path) -> tuple[list[str], str]:
    need("cargo")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        cargo = ["cargo", "build", "--release", "--locked", "--manifest-path", PEERS / "rust/Cargo.toml"]
        run(cargo, "rust", log, env=os.environ | {"CARGO_TARGET_DIR": str(cache / "peers/cargo")})
        shutil.copy2(cache / "peers/cargo/release/avro-peers", folder)

    folder = built(cache, "rust", build)
    return [str(folder / "avro-peers")], output_of(["rustc", "--version"]).rsplit(" (", 1)[0] + " -O3, fat LTO"


def java(cache: pathlib.Path) -> tuple[list[str], str]:
    need("java", "javac", "mvn")
    if int(output_of(["javac", "-version"]).split()[-1].split(".")[0]) < JAVA_MINIMUM:
        raise Missing(f"javac is older than {JAVA_MINIMUM}")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        maven = ["mvn", "-q", "-B", "-f", PEERS / "java/pom.xml", "dependency:copy-dependencies"]
        run([*maven, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"], "java", log)
        run(["javac", "-cp", f"{folder / 'jars'}/*", "-d", folder / "classes", PEERS / "java/AvroPeers.java"], "java", log)

    folder = built(cache, "java", build)
    options = ["-XX:+UseSerialGC", "-Xms1g", "-Xmx1g", "-XX:-UsePerfData"]
    class_path = f"{folder / 'classes'}:{folder / 'jars'}/*"
    flags = f"JDK {output_of(['javac', '-version']).split()[-1]} C2, serial GC, 1 GB"
    return ["java", *options, "-cp", class_path, "AvroPeers"], flags


def go(cache: pathlib.Path) -> tuple[list[str], str]:
    need("go")

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        run(["go", "build", "-mod=readonly", "-o", folder / "avro-peers", "."], "go", log, cwd=PEERS / "go")

    folder = built(cache, "go", build)
    return [str(folder / "avro-peers")], output_of(["go", "version"]).split()[2] + " default"


def native(cache: pathlib.Path, name: str, package: str, compiler: str, source: str) -> tuple[list[str], str]:
    need(compiler, "pkg-config")
    if subprocess.run(["pkg-config", "--exists", package]).returncode != 0:
        raise Missing(f"no library {package} (see the README)")
    optimise = ["-O3", "-march=native", "-DNDEBUG", *(["-std=c++20"] if compiler == "g++" else [])]

    def build(folder: pathlib.Path, log: pathlib.Path) -> None:
        links = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True, text=True).stdout.split()
        run([compiler, *optimise, PEERS / name / source, "-o", folder / "avro-peers", *links], name, log)

    folder = built(cache, name, build)
    version = output_of(["pkg-config", "--modversion", package])
    flags = f"{package} {version}, {compiler} {output_of([compiler, '-dumpfullversion'])} {' '.join(optimise[:2])}"
    return [str(folder / "avro-peers")], flags


def python(environment: pathlib.Path) -> tuple[list[str], str]:
    return [str(environment), str(PEERS / "python/avro_peers.py")], output_of([str(environment), "--version"])


def all_peers(cache: pathlib.Path, environment: pathlib.Path, data: pathlib.Path, schema: pathlib.Path) -> Iterator[Peer]:
    """In the order of the table. Each is built before the next, so that a small machine stays usable."""
    recipes = {
        "rust": lambda: rust(cache),
        "java": lambda: java(cache),
        "go": lambda: go(cache),
        "simdjson": lambda: native(cache, "simdjson", "simdjson", "g++", "simdjson_peer.cc"),
        "libavro": lambda: native(cache, "libavro", "avro-c", "gcc", "libavro_peer.c"),
        "python": lambda: python(environment),
    }
    for name, recipe in recipes.items():
        try:
            command, flags = recipe()
            yield Peer(name, [*command, str(data), str(schema)], flags)
        except Missing as why:
            yield Peer(name, missing=str(why))
