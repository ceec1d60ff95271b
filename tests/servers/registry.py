"""A Confluent-compatible schema registry: Apicurio, with its schemas in memory."""

from __future__ import annotations

import pathlib
import ssl
import urllib.error
import urllib.request

from . import maven
from .access import RegistryAccess
from .certificates import Certificates
from .process import Process, port_or_free
from .server import Server

READY_TIMEOUT_S = 120.0
HEAP = "256m"
API = "/apis/ccompat/v7"


class Registry(Server, RegistryAccess):
    """One registry. `http` without `certificates`, `https` only with them. A stop forgets every schema."""

    def __init__(
        self,
        folder: pathlib.Path,
        certificates: Certificates | None = None,
        tied: bool = True,
        port: int | None = None,
    ):
        self.folder = folder
        self.certificates = certificates
        self.port = port_or_free(port)
        scheme = "https" if certificates else "http"
        super().__init__(f"{scheme}://127.0.0.1:{self.port}{API}", str(certificates.ca) if certificates else None)
        self._jars = maven.server_folder("registry")
        self.processes = [Process("registry", folder, self._command(), tied)]

    def wait_ready(self) -> None:
        self.processes[0].wait_ready(self._serves, READY_TIMEOUT_S)

    def _serves(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.certificates.ca)) if self.certificates else None
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5, context=context) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _command(self) -> list[str]:
        command = [maven.java(), f"-Xmx{HEAP}", *maven.SMALL_JVM, "-Dquarkus.http.host=127.0.0.1"]
        if self.certificates:
            command += [
                f"-Dquarkus.http.ssl-port={self.port}",
                "-Dquarkus.http.insecure-requests=disabled",
                f"-Dquarkus.http.ssl.certificate.files={self.certificates.server.certificate}",
                f"-Dquarkus.http.ssl.certificate.key-files={self.certificates.server.key}",
            ]
        else:
            command += [f"-Dquarkus.http.port={self.port}"]
        return [*command, "-cp", maven.class_path(self._jars), "io.apicurio.registry.RegistryQuarkusMain"]
