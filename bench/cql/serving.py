"""The processes of the benchmark: the emulator, loads, and the certificates between them."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading


class Broken(Exception):
    """A process did not do what it was asked for."""


def make_certificates(folder: pathlib.Path) -> None:
    """An authority and a certificate for 127.0.0.1, as PEM files."""

    def openssl(*arguments: str) -> None:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(["openssl", *arguments], cwd=folder, **output)
        if done.returncode != 0:
            raise Broken(f"openssl {arguments[0]}: {done.stdout}")

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=bench authority")
    openssl("req", *key, "-keyout", "node.key", "-out", "node.csr", "-subj", "/CN=bench")
    (folder / "node.ext").write_text("subjectAltName = IP:127.0.0.1\n")
    signed = ["-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    openssl("x509", *signed, "-extfile", "node.ext", "-out", "node.pem")


class Server:
    """The emulator of bench_cql, which obeys lines."""

    def __init__(self, program: str, *arguments: str):
        self._process = subprocess.Popen(
            [program, "serve", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._process.stdout.readline().strip()
        if not self.address:
            raise Broken("the emulator did not start")

    def tell(self, line: str) -> str:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def obey(self, line: str) -> None:
        if (answer := self.tell(line)) != "ok":
            raise Broken(f"the emulator answers: {answer}")

    def counters(self) -> dict:
        return json.loads(self.tell("counters"))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()


def measured(command: list[str]) -> dict:
    """What a load that ends by itself has printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Broken(f"{' '.join(command[:3])} failed")
    return json.loads(done.stdout)


class Steady:
    """A load without end and its samples so far. `at` of samples is time.monotonic()."""

    def __init__(self, program: str, address: str, *arguments: str):
        self._process = subprocess.Popen(
            [program, "steady", address, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.samples: list[dict] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.samples.append(json.loads(line))

    def running(self) -> bool:
        return self._process.poll() is None

    def resident_bytes(self) -> int:
        for line in pathlib.Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Broken("the load has ended")

    def __enter__(self) -> Steady:
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
