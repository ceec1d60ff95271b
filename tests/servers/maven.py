"""Java and the servers' jars: found, or fetched once by Maven into the cache folder."""

from __future__ import annotations

import fcntl
import functools
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as xml

from .process import ServerError

JAVA_MAJOR = 17  # Kafka 4.1 needs at least this, Cassandra 5.0 knows nothing newer
MAVEN_TIMEOUT_S = 900
POMS = pathlib.Path(__file__).parent / "maven"

# C1 only and the serial collector: half the start-up time and a third of the threads on a small machine.
SMALL_JVM = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xshare:auto",
    "-Xss512k",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dfile.encoding=UTF-8",
]


def cache_folder() -> pathlib.Path:
    """What survives `clean`: jars and the Python environment. The shell twin of this rule is in setup.sh."""
    if given := os.environ.get("MILLRACE_CACHE"):
        return pathlib.Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "millrace"


@functools.lru_cache(maxsize=1)
def java() -> str:
    """The path of a `java` of the right major version."""
    candidates = [os.path.join(os.environ["JAVA_HOME"], "bin/java")] if os.environ.get("JAVA_HOME") else []
    candidates += [found] if (found := shutil.which("java")) else []
    candidates += sorted(glob.glob(f"/usr/lib/jvm/*{JAVA_MAJOR}*/bin/java"))
    for candidate in candidates:
        try:
            said = subprocess.run([candidate, "-version"], capture_output=True, text=True, timeout=60).stderr
        except OSError:
            continue
        if re.search(rf'version "{JAVA_MAJOR}[."]', said):
            return candidate
    raise ServerError(
        f"the test servers need Java {JAVA_MAJOR} and none was found in JAVA_HOME, PATH or /usr/lib/jvm: "
        f"install openjdk-{JAVA_MAJOR}-jre-headless"
    )


def server_folder(name: str) -> pathlib.Path:
    """The folder with the jars that maven/<name>/pom.xml pins. Fetched the first time; later calls cost nothing."""
    pom = POMS / name / "pom.xml"
    version = xml.parse(pom).getroot().findtext("{http://maven.apache.org/POM/4.0.0}version")
    stamp = hashlib.sha256(pom.read_bytes()).hexdigest()[:8]
    servers = cache_folder() / "servers"
    folder = servers / f"{name}-{version}-{stamp}"
    if folder.exists():
        return folder
    servers.mkdir(parents=True, exist_ok=True)
    with open(servers / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = servers / f".{folder.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            _copy_dependencies(pom, part)
            _unpack_archives(part)
            part.rename(folder)
    return folder


def class_path(folder: pathlib.Path) -> str:
    jars = sorted(str(jar) for jar in folder.rglob("*.jar"))
    if not jars:
        raise ServerError(f"{folder} holds no jars: delete it, and the next run fetches them again")
    return ":".join(jars)


def _copy_dependencies(pom: pathlib.Path, folder: pathlib.Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerError("the test servers' jars come from Maven and there is no `mvn`: install the package maven")
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_TIMEOUT_S)
    if run.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        said = "\n".join((run.stdout + run.stderr).splitlines()[-15:])
        raise ServerError(f"Maven could not fetch what {pom} names:\n{said}")


def _unpack_archives(folder: pathlib.Path) -> None:
    for archive in folder.glob("*.tar.gz"):
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else content.extractall(folder)
        archive.unlink()
