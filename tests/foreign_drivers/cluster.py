"""The emulated cluster and the clients of the test: processes that take lines and answer each with one."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
TIMEOUT_S = 300


def cache_folder() -> pathlib.Path:
    given = os.environ.get("MILLRACE_CACHE")
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return pathlib.Path(given) if given else base / "millrace"


class LineProcess:
    def __init__(self, command: Sequence[str], env: dict[str, str] | None = None) -> None:
        self.name = pathlib.Path(command[0]).name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put("")

    def _read_errors(self) -> None:
        self.errors.extend(self.process.stderr)

    def next_line(self) -> str:
        line = self.lines.get(timeout=TIMEOUT_S)
        if not line:
            self.process.wait(timeout=10)
            raise AssertionError(f"{self.name} ended: {''.join(self.errors)[-4000:]}")
        return line

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.next_line()

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class EmulatedCluster(LineProcess):
    def __init__(self, nodes: int, shards: int, tokens: int) -> None:
        build = pathlib.Path(os.environ.get("MILLRACE_BUILD", "build"))
        program = (build if build.is_absolute() else ROOT / build) / "dev" / "tests/foreign_drivers/cql_cluster"
        assert program.exists(), f"{program} is missing: ninja -C {build}/dev cql_cluster"
        super().__init__([str(program), str(nodes), str(shards), str(tokens)])
        self.nodes = nodes
        self.shards = shards
        self.address = json.loads(self.next_line())["address"]

    def tell(self, line: str) -> dict:
        answer = json.loads(self.ask(line))
        assert "error" not in answer, f"{line}: {answer['error']}"
        return answer

    def wait_for_connections(self) -> None:
        """Until a client has a connection to every shard."""
        deadline = time.monotonic() + 60
        while not all(count > 0 for node in self.tell("connections")["connections"] for count in node):
            assert time.monotonic() < deadline, self.tell("connections")
            time.sleep(0.05)


def python_client(address: str, table: str, compression: str) -> LineProcess:
    """ScyllaDB's driver, which has the import name of Cassandra's and therefore a folder of its own."""
    requirements = FOLDER / "requirements.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stamp = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:12]
    folder = cache_folder() / f"scylla-driver-{stamp}"
    if not folder.exists():
        part = folder.with_suffix(f".{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        options = ["--only-binary", ":all:", "--target", str(part), "--requirement", str(requirements)]
        subprocess.run([*pip, *options], check=True, timeout=TIMEOUT_S)
        part.rename(folder)
    command = [sys.executable, str(FOLDER / "python_client.py"), address, table, compression]
    return LineProcess(command, os.environ | {"PYTHONPATH": str(folder)})


def rust_client(address: str, table: str, compression: str) -> LineProcess:
    target = cache_folder() / "foreign-drivers" / "cargo"
    cargo = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(FOLDER / "rust/Cargo.toml")]
    subprocess.run(cargo, check=True, timeout=1800, env=os.environ | {"CARGO_TARGET_DIR": str(target)})
    return LineProcess([str(target / "release" / "foreign-driver"), address, table, compression])


CLIENTS = {"python": python_client, "rust": rust_client}
