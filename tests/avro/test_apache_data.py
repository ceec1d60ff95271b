"""Apache Avro's own test data, out of its jar of tests."""

from __future__ import annotations

import io
import pathlib
import re
import zipfile

import fastavro
import pytest

from servers import maven

from . import peers


@pytest.fixture(scope="module")
def share() -> zipfile.ZipFile:
    (jar,) = maven.server_folder("avro").glob("avro-*-tests.jar")
    return zipfile.ZipFile(jar)


def cases(text: str) -> list[dict[str, str]]:
    """`<<NAME value` to the end of the line, or `<<NAME`, lines and NAME again."""
    text = re.sub(r"^\s*(//|#).*\n", "", text, flags=re.MULTILINE)
    found: list[dict[str, str]] = []
    for name, line, lines in re.findall(r"^<<(\w+)(?:[ \t]+(\S.*)|[ \t]*\n((?s:.*?))\n\1)$", text, re.MULTILINE):
        if name == "INPUT":
            found.append({})
        found[-1][name] = (line or lines).strip()
    return found


def test_schema_tests_txt(share: zipfile.ZipFile) -> None:
    all_cases = cases(share.read("share/test/data/schema-tests.txt").decode())
    assert len(all_cases) == 34  # a 35th stands in a comment
    assert sum("canonical" in case for case in all_cases) == 34
    assert sum("fingerprint" in case for case in all_cases) == 26
    answers = peers.ours([["schema", case["INPUT"].replace("\n", " ")] for case in all_cases])
    for case, (word, said) in zip(all_cases, answers, strict=True):
        assert word == "ok", (case, said)
        canonical, fingerprint = said.split("\t")
        assert canonical == case.get("canonical", canonical).replace("\n", "")
        assert fingerprint == case.get("fingerprint", fingerprint)


@pytest.mark.parametrize(
    "name",
    ["weather", "weather-sorted", "weather-snappy", "syncInMeta", "schemas/simple/data", "schemas/withUnion/data"],
)
def test_container_files(share: zipfile.ZipFile, name: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "data.avro"
    file.write_bytes(share.read(f"share/test/data/{name}.avro"))
    (ours,), (java,) = peers.ours([["read_file", str(file)]]), peers.java([["read_file", str(file)]])
    assert ours[0] == "ok" and ours == java
    # fastavro wants another package for snappy, and takes all metadata for text.
    if name not in ("weather-snappy", "syncInMeta"):
        reader = fastavro.reader(io.BytesIO(file.read_bytes()))
        assert len(list(reader)) == len(ours[1].split(","))


def test_schemas_of_the_distribution(share: zipfile.ZipFile) -> None:
    """Every schema file is read, and has the canonical form that Java gives it."""
    names = [name for name in share.namelist() if re.fullmatch(r"share/test/schemas/\w+\.avsc", name)]
    assert len(names) >= 5
    requests = [["schema", re.sub(r"\s+", " ", share.read(name).decode())] for name in names]
    ours, java = peers.ours(requests), peers.java(requests)
    for name, mine, theirs in zip(names, ours, java, strict=True):
        assert mine == theirs, name
