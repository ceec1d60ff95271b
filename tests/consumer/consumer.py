"""Millrace as its users have it: installed somewhere, and a project outside of this tree (part `consumer` of ./dev test).

consumer.py STEP --build FOLDER --work FOLDER: the steps are the functions of STEPS. Prints what it runs; exit code 1 when
a step fails. `install` comes first: the others use what it leaves in the work folder.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GUIDE = SOURCE / "docs/guide/first-application.md"
NAME = "payments"  # not the template's own name
EXIT_CONFIG = 78


def require(holds: bool, why: str) -> None:
    if not holds:
        sys.exit(f"consumer: {why}")


def run(*command: object, cwd: pathlib.Path | None = None, expect: int = 0, env: dict[str, str] | None = None) -> str:
    words = [str(word) for word in command]
    print("+", *words, flush=True)
    done = subprocess.run(
        words, cwd=cwd, env=os.environ | (env or {}), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    print(done.stdout, flush=True)
    require(done.returncode == expect, f"exit code {done.returncode} in place of {expect}: {' '.join(words)}")
    return done.stdout


class Consumer:
    def __init__(self, build: pathlib.Path, work: pathlib.Path) -> None:
        self.build = build.resolve()
        self.work = work.resolve()
        self.prefix = self.work / "installed"
        self.millrace = self.prefix / "bin/millrace"
        # The user's builds share the compiler cache where there is one.
        if shutil.which("ccache"):
            os.environ |= {"CMAKE_CXX_COMPILER_LAUNCHER": "ccache", "CMAKE_C_COMPILER_LAUNCHER": "ccache"}
        os.environ["CMAKE_GENERATOR"] = "Ninja"

    def install(self) -> None:
        """Installs with DESTDIR as a package builder does, and moves the result: it holds no path of this machine."""
        shutil.rmtree(self.work, ignore_errors=True)
        stage = self.work / "stage"
        run("cmake", "--install", self.build, "--prefix", "/usr/local", env={"DESTDIR": str(stage)})
        (stage / "usr/local").rename(self.prefix)
        require(not any(path.is_file() for path in stage.rglob("*")), "something was installed outside of the prefix")
        for file in ("clang-tidy.yaml", "coroutines.query"):
            require((self.prefix / "share/millrace" / file).is_file(), f"share/millrace/{file} was not installed")
        for file in [*self.prefix.rglob("*.cmake"), *self.prefix.rglob("*.pc"), *self.prefix.rglob("*.h")]:
            for path in (str(SOURCE), str(self.build), "/usr/lib", str(stage)):
                require(path not in file.read_text(), f"{file.relative_to(self.prefix)} holds the path {path}")
        run(self.millrace, "version")
        self.check_requirements()

    def check_requirements(self) -> None:
        """A component or a version that the package does not have is refused by name."""
        folder = self.work / "requirements"
        folder.mkdir()
        for wanted, message in (
            ("0.1 CONFIG REQUIRED COMPONENTS app nothing", "unknown component nothing"),
            ("99.0 CONFIG REQUIRED", "compatible with requested version"),
        ):
            (folder / "CMakeLists.txt").write_text(
                f"cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\nfind_package(millrace {wanted})\n"
            )
            said = run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", expect=1)
            require(message in said, f"cmake does not say {message!r}")

    def project(self) -> pathlib.Path:
        folder = self.work / NAME
        shutil.rmtree(folder, ignore_errors=True)
        run(self.millrace, "new", "app", folder)
        return folder

    def new_app(self) -> None:
        """The project of `millrace new app` builds, its tests pass, and its program has the product's commands."""
        folder = self.project()
        run(self.millrace, "new", "app", folder, expect=EXIT_CONFIG)
        run(self.millrace, "new", "app", self.work / "No-Name", expect=EXIT_CONFIG)
        build = folder / "build"
        warnings = "-Wall -Wextra -Wconversion -Werror"
        run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_FLAGS={warnings}")
        self.check_project(folder, build, build)
        if shutil.which("clang-tidy-19") and shutil.which("clang-query-19"):
            said = run(self.millrace, "check", "--build", build)
            require("0 findings in 4 files" in said, "the project has findings")
        program = build / NAME
        require(run(program, "version") == f"{NAME} 0.1.0\n", "the program does not know its version")
        commands = run(program, "help")
        for command in ("run", "validate", "config", "errors", "metrics", "prepare", "top", "lag", "tap", "dlq", "avro", "help", "version"):
            require(re.search(rf"^  {command} ", commands, re.MULTILINE) is not None, f"there is no command {command}")
        run(program, "validate", folder / "absent.yaml", expect=EXIT_CONFIG)
        run(program, "avro", "schema", "check", folder / "schemas/event.avsc")

    def check_project(self, folder: pathlib.Path, build: pathlib.Path, binaries: pathlib.Path) -> None:
        run("cmake", "--build", build, "--target", NAME, f"{NAME}_tests")
        listed = run("ctest", "--test-dir", binaries, "--output-on-failure", "--no-tests=error")
        require("100% tests passed" in listed, "a test of the project failed")
        run(binaries / NAME, "validate", "--config", folder / "config.yaml")

    def guide(self) -> None:
        """The commands of docs/guide/first-application.md, one after another, and its code beside the project's."""
        page = GUIDE.read_text()
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        commands = [line for language, text in blocks if language == "sh" for line in text.splitlines() if line.strip()]
        prefix = self.work / "guide"
        shutil.rmtree(prefix, ignore_errors=True)
        script = ["set -euxo pipefail"]
        installs = 0
        for command in commands:
            if re.match(r"cmake --preset release |ninja -C build/release$", command):
                continue  # this test has a build already
            command, installed = re.subn(r"^cmake --install build/release ", f"cmake --install '{self.build}' ", command)
            installs += installed
            script.append(re.sub(r"\bPREFIX\b", str(prefix), command))
        require(installs == 1 and len(script) > 5, f"{GUIDE.name} has no blocks to run")
        with tempfile.TemporaryDirectory() as folder:
            run("bash", "-c", "\n".join(script), cwd=pathlib.Path(folder))
            written = [
                "".join(path.read_text().split())
                for path in pathlib.Path(folder).rglob("*")
                if path.suffix in (".h", ".cc", ".yaml", ".cql") and "build" not in path.parts
            ]
        for language, text in blocks:
            if language in ("cpp", "yaml", "sql"):
                shown = "".join(text.split())
                require(any(shown in whole for whole in written), f"no file of the project holds this block:\n{text}")
        shutil.rmtree(prefix)

    def fetch(self) -> None:
        """The same project with Millrace as a part of its build: FetchContent, no installation."""
        folder = self.project()
        build = self.build.parent / "consumer-fetch"  # as deep as the other builds: they share the compiler cache
        run("cmake", "-S", SOURCE / "tests/consumer/fetch", "-B", build, f"-DMILLRACE_SOURCE={SOURCE}", f"-DPROJECT={folder}",
            "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1", "-DMILLRACE_WARNINGS_AS_ERRORS=ON")  # fmt: skip
        targets = run("cmake", "--build", build, "--target", "help")
        for target in ("app_tests", "bench_engine", "ratings", "shop", "millrace"):
            require(re.search(rf"^{target}: phony", targets, re.MULTILINE) is None, f"the sub-project has a target {target}")
        self.check_project(folder, build, build / "app")

    def pkg_config(self) -> None:
        """The same project by the compiler and pkg-config alone."""
        folder = self.project()
        run(self.millrace, "codegen", folder / "schemas/event.avsc", "--output", folder / "event.avsc.h")
        path = {"PKG_CONFIG_PATH": str(next(self.prefix.rglob("pkgconfig")))}
        flags = run("pkg-config", "--static", "--cflags", "--libs", "millrace", env=path).split()
        compiler, libraries = [f for f in flags if f[:2] in ("-I", "-s")], [f for f in flags if f[:2] not in ("-I", "-s")]
        run("c++", *compiler, f"-I{folder}", f'-D{NAME.upper()}_VERSION="0.1.0"', folder / "main.cc", folder / "processors.cc",
            "-o", folder / NAME, *libraries)  # fmt: skip
        run(folder / NAME, "validate", folder / "config.yaml")


STEPS = {name: vars(Consumer)[name] for name in ("install", "new_app", "guide", "fetch", "pkg_config")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    STEPS[arguments.step](Consumer(arguments.build, arguments.work))


if __name__ == "__main__":
    main()
