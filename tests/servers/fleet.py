"""The servers of one run: each started at most once, on first need, and all ended together."""

from __future__ import annotations

import pathlib
import shutil

from .cassandra import Cassandra
from .certificates import Certificates
from .kafka import Kafka
from .registry import Registry
from .server import Server

SECURE = "secure_"
_CLASSES = {"kafka": Kafka, "cassandra": Cassandra, "registry": Registry}


class Fleet:
    """Servers by name: kafka, cassandra, registry, and the same with `secure_` in front (TLS and passwords).

    need("kafka", "cassandra") starts the two at the same time and waits for both, which is faster than one by one.
    A second need() of a running server costs nothing. One that a test left stopped or killed is started again.
    """

    def __init__(self, folder: pathlib.Path, tied: bool = True, ports: dict[str, int] | None = None):
        """`ports` by server: the ports to use if they are free; by default free ones."""
        self.folder = folder
        self._tied = tied
        self._ports = ports or {}
        self._certificates: Certificates | None = None
        self._servers: dict[str, Server] = {}

    @property
    def certificates(self) -> Certificates:
        if self._certificates is None:
            self._certificates = Certificates(self.folder / "certificates")
        return self._certificates

    def need(self, *names: str) -> tuple:
        """The named servers, ready to serve, in the requested order. When one fails to start, all are killed."""
        servers = tuple(self._server(name) for name in names)
        idle = [server for server in servers if not all(process.running for process in server.processes)]
        try:
            for server in idle:
                server.launch()
            for server in idle:
                server.wait_ready()
        except BaseException:
            self.kill()
            raise
        return servers

    def kill(self) -> None:
        for server in self._servers.values():
            server.kill()

    def remove_data(self) -> None:
        """Deletes what the ended servers stored; logs and configurations stay."""
        for data in self.folder.glob("*/data*"):
            shutil.rmtree(data, ignore_errors=True)

    def _server(self, name: str) -> Server:
        if name not in self._servers:
            certificates = self.certificates if name.startswith(SECURE) else None
            kind = name.removeprefix(SECURE)
            port = self._ports.get(kind)
            self._servers[name] = _CLASSES[kind](self.folder / name, certificates, tied=self._tied, port=port)
        return self._servers[name]
