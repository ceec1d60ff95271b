"""Apache Cassandra: one node with one token on the loopback."""

from __future__ import annotations

import logging
import pathlib
import time

from cassandra import AuthenticationFailed
from cassandra.cluster import NoHostAvailable

from . import maven
from .access import CassandraAccess
from .certificates import Certificates
from .process import Process, ServerError, free_port, listening, port_or_free
from .server import Server

READY_TIMEOUT_S = 180.0
HEAP = "640m"

# From the conf/jvm17-server.options of Cassandra 5.0, which is not in its jar.
MODULES = [
    "-Djdk.attach.allowAttachSelf=true",
    *(
        f"--add-exports={package}=ALL-UNNAMED"
        for package in (
            "java.base/jdk.internal.misc",
            "java.base/java.lang.ref",
            "java.management.rmi/com.sun.jmx.remote.internal.rmi",
            "java.rmi/sun.rmi.registry",
            "java.rmi/sun.rmi.server",
            "java.sql/java.sql",
            "jdk.attach/sun.tools.attach",
            "jdk.compiler/com.sun.tools.javac.file",
            "jdk.unsupported/sun.misc",
        )
    ),
    *(
        f"--add-opens={package}=ALL-UNNAMED"
        for package in (
            "java.base/java.io",
            "java.base/java.lang",
            "java.base/java.lang.module",
            "java.base/java.lang.reflect",
            "java.base/java.util",
            "java.base/jdk.internal.loader",
            "java.base/jdk.internal.math",
            "java.base/jdk.internal.module",
            "java.base/jdk.internal.ref",
            "java.base/jdk.internal.reflect",
            "java.base/jdk.internal.util.jar",
            "java.base/sun.nio.ch",
            "jdk.compiler/com.sun.tools.javac",
            "jdk.management/com.sun.management.internal",
        )
    ),
    "-Dio.netty.tryReflectionSetAccessible=true",
]

# A single node has no peer to wait for.
FAST_START = [
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=0",
    "-Dcassandra.load_ring_state=false",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4",
]

LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""

YAML = """cluster_name: millrace-tests
num_tokens: 1
initial_token: 0
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:{storage_port}"
listen_address: 127.0.0.1
storage_port: {storage_port}
rpc_address: 127.0.0.1
native_transport_port: {port}
start_native_transport: true
auto_bootstrap: false
hinted_handoff_enabled: false
auto_snapshot: false
data_file_directories: ["{data}/data"]
commitlog_directory: "{data}/commitlog"
hints_directory: "{data}/hints"
saved_caches_directory: "{data}/saved_caches"
cdc_raw_directory: "{data}/cdc_raw"
commitlog_segment_size: 8MiB
commitlog_total_space: 128MiB
{commitlog_sync}
memtable_heap_space: 96MiB
memtable_offheap_space: 32MiB
key_cache_size: 8MiB
file_cache_size: 32MiB
networking_cache_size: 32MiB
concurrent_reads: 16
concurrent_writes: 16
concurrent_compactors: 1
disk_failure_policy: die
commit_failure_policy: die
read_request_timeout: 10s
range_request_timeout: 30s
write_request_timeout: 10s
{security}
"""

SYNC_PERIODIC = "commitlog_sync: periodic\ncommitlog_sync_period: 1s"
SYNC_BATCH = "commitlog_sync: batch"

SECURITY = """authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: false
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: "{bundle}"
  truststore: "{ca}"
"""


class Cassandra(Server, CassandraAccess):
    """One node, `datacenter1`. Plain and open without `certificates`.

    With them clients must speak TLS and log in: `username`/`password` may do everything in every keyspace but is no
    superuser. `durable` makes every acknowledged write survive kill(): the commit log is synced before the answer,
    which costs throughput; without it the last moments before a kill can be lost.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        certificates: Certificates | None = None,
        durable: bool = False,
        tied: bool = True,
        port: int | None = None,
    ):
        self.folder = folder
        self.certificates = certificates
        if certificates:
            super().__init__(port_or_free(port), "millrace", "millrace-cassandra-secret", str(certificates.ca))
        else:
            super().__init__(port_or_free(port))
        self._storage_port = free_port()
        self._durable = durable
        self._role_made = False
        self._jars = maven.server_folder("cassandra")
        self.processes = [Process("cassandra", folder, self._command(), tied)]

    def launch(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        security = ""
        if self.certificates:
            security = SECURITY.format(bundle=self.certificates.server.bundle, ca=self.certificates.ca)
        (self.folder / "logback.xml").write_text(LOGBACK)
        (self.folder / "cassandra.yaml").write_text(
            YAML.format(
                port=self.port,
                storage_port=self._storage_port,
                data=data,
                commitlog_sync=SYNC_BATCH if self._durable else SYNC_PERIODIC,
                security=security,
            )
        )
        super().launch()

    def wait_ready(self) -> None:
        process = self.processes[0]
        process.wait_ready(lambda: listening(self.port), READY_TIMEOUT_S)
        started = time.monotonic()
        if self.certificates and not self._role_made:
            self._make_role()
        else:
            self._check()
        process.started_in_s += time.monotonic() - started

    def _check(self) -> None:
        try:
            self.session().cluster.shutdown()
        except NoHostAvailable as failure:
            raise ServerError(
                f"Cassandra listens and does not answer: {failure}\n{self.processes[0].log_tail()}"
            ) from failure

    def _make_role(self) -> None:
        """The node creates its first superuser a moment after it begins to listen."""
        started = time.monotonic()
        while True:
            try:
                with _quiet_driver():
                    session = self.session(username="cassandra", password="cassandra")
                break
            except NoHostAvailable as failure:
                refused = any(isinstance(error, AuthenticationFailed) for error in failure.errors.values())
                if not refused or time.monotonic() - started > READY_TIMEOUT_S:
                    raise ServerError(f"Cassandra refuses the login: {failure}\n{self.processes[0].log_tail()}") from failure
            time.sleep(0.1)
        session.execute(f"CREATE ROLE IF NOT EXISTS {self.username} WITH PASSWORD = '{self.password}' AND LOGIN = true")
        session.execute(f"GRANT ALL PERMISSIONS ON ALL KEYSPACES TO {self.username}")
        session.cluster.shutdown()
        self._role_made = True

    def _command(self) -> list[str]:
        agent = next(self._jars.glob("jamm-*.jar"), None)
        if agent is None:
            raise ServerError(f"{self._jars} has no jamm jar: delete the folder, and the next run fetches it again")
        return [
            maven.java(),
            f"-Xmx{HEAP}",
            "-XX:MaxDirectMemorySize=256m",
            *maven.SMALL_JVM,
            *MODULES,
            *FAST_START,
            f"-javaagent:{agent}",
            f"-Dlogback.configurationFile={self.folder}/logback.xml",
            f"-Dcassandra.config=file://{self.folder}/cassandra.yaml",
            f"-Dcassandra.storagedir={self.folder}/data",
            "-Dcassandra-foreground=yes",
            "-cp",
            maven.class_path(self._jars),
            "org.apache.cassandra.service.CassandraDaemon",
        ]


class _quiet_driver:
    """The driver logs every refused login with its stack; while the node makes its first account that is expected."""

    def __enter__(self) -> None:
        self._level = logging.getLogger("cassandra").level
        logging.getLogger("cassandra").setLevel(logging.CRITICAL)

    def __exit__(self, *_failure: object) -> None:
        logging.getLogger("cassandra").setLevel(self._level)
