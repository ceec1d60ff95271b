"""The program as one file to copy: what it needs of a machine, how it is hardened, and its small commands."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

from integration.application import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = sorted((ROOT / "libs" / "workload" / "data").glob("*.avsc"))
LIBRARIES = {"libc", "libm", "libssl", "libcrypto", "libz"}


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def dynamic_section() -> str:
    return output_of("readelf", "--wide", "--dynamic", program("release"))


def test_needs_only_the_libraries_of_every_machine(dynamic_section: str):
    needed = {name.split(".so")[0] for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic_section)}
    needed = {name for name in needed if not name.startswith("ld-linux")}
    assert needed <= LIBRARIES and "libc" in needed


def test_its_libraries_depend_on_no_others():
    loaded = {line.split()[0].rsplit("/", 1)[-1] for line in output_of("ldd", program("release")).splitlines()}
    assert {name.split(".so")[0] for name in loaded if not re.match(r"ld-linux|linux-(vdso|gate)", name)} <= LIBRARIES


def test_has_no_library_path_of_the_build_machine(dynamic_section: str):
    assert "RUNPATH" not in dynamic_section and "RPATH" not in dynamic_section


def test_is_hardened(dynamic_section: str):
    headers = output_of("readelf", "--wide", "--file-header", "--program-headers", program("release"))
    assert re.search(r"Type:\s+DYN", headers) and re.search(r"FLAGS_1.*PIE", dynamic_section)
    assert "GNU_RELRO" in headers and re.search(r"FLAGS.*NOW", dynamic_section)
    stack = re.search(r"GNU_STACK\s.*", headers)[0]
    assert not re.search(r"\bRWE\b", stack)


def test_help_names_every_command():
    text = output_of(program(), "--help")
    assert all(re.search(rf"^ +{name} ", text, re.MULTILINE) for name in ("run", "validate", "demo", "codegen", "version"))


def test_version_is_the_projects():
    version = re.search(r"project\(millrace\s+VERSION\s+([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert output_of(program(), "version") == f"millrace {version}\n"


def test_wrong_arguments_are_a_wrong_configuration():
    ended = subprocess.run([program(), "rnu"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78 and "'rnu'" in ended.stderr


def test_the_examples_configuration_is_valid():
    output_of(program(), "validate", str(ROOT / "examples" / "navigation" / "config.yaml"))


@pytest.mark.parametrize("schema", SCHEMAS, ids=[schema.stem for schema in SCHEMAS])
def test_generated_header_compiles_alone(schema: pathlib.Path, tmp_path: pathlib.Path):
    output_of(program(), "codegen", str(schema), "--output", str(tmp_path / "generated.h"))
    source = tmp_path / "only.cc"
    source.write_text('#include "generated.h"\n')
    includes = [f"-I{ROOT / 'libs' / library / 'include'}" for library in ("avro", "base")]
    output_of("g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *includes, str(source))
