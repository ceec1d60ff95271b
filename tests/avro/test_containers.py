"""Container files from each implementation to the others."""

from __future__ import annotations

import json
import pathlib
import random

import fastavro
import pytest

from . import data, pairs, peers, schemas

CODECS = ["null", "deflate", "snappy", "zstandard"]
BY_FASTAVRO = ["null", "deflate"]  # the others would need more packages
FILES = 12
RECORDS = 40


def make(seed: int) -> tuple[schemas.Schema, list[object]]:
    rng = random.Random(f"{pairs.SEED}.container.{seed}")
    schema = schemas.Author(rng).schema()
    return schema, [data.value_of(schema, rng) for _ in range(RECORDS)]


def encoded(schema: schemas.Schema, values: list[object]) -> str:
    return ",".join(data.Encoder().encode(schema, value).hex() for value in values)


def test_millrace_and_java_read_each_other(tmp_path: pathlib.Path) -> None:
    files = [(codec, str(tmp_path / f"{codec}{i}.avro"), *make(i)) for codec in CODECS for i in range(FILES)]
    writes = [["write_file", path, codec, schemas.to_json(of), encoded(of, values)] for codec, path, of, values in files]
    reads = [["read_file", path] for _, path, _, _ in files]
    wanted = [("ok", encoded(of, values)) for _, _, of, values in files]

    assert {word for word, _ in peers.ours(writes)} == {"ok"}
    assert peers.java(reads) == wanted
    assert peers.ours(reads) == wanted
    assert {word for word, _ in peers.java(writes)} == {"ok"}
    # Java loses records that take no bytes.
    kept = [("ok", said if said.strip(",") else "") for _, said in wanted]
    assert peers.ours(reads) == kept


@pytest.mark.parametrize("codec", BY_FASTAVRO)
def test_millrace_and_fastavro_read_each_other(codec: str, tmp_path: pathlib.Path) -> None:
    for i in range(FILES):
        schema, values = make(i)
        text = schemas.to_json(schema, logical=False)
        wanted = encoded(schema, values)
        plain = [data.decode_plain(schema, bytes.fromhex(datum)) for datum in wanted.split(",")]

        path = tmp_path / f"ours{i}.avro"
        assert peers.ours([["write_file", str(path), codec, text, wanted]]) == [("ok", "")]
        with path.open("rb") as file:
            read = list(fastavro.reader(file))
        assert data.same(read, plain)

        path = tmp_path / f"fast{i}.avro"
        with path.open("wb") as file:
            fastavro.writer(file, json.loads(text), plain, codec=codec)
        ((word, back),) = peers.ours([["read_file", str(path)]])
        assert word == "ok"
        # It writes the first branch of a union that fits, which may be another one of equal values.
        assert data.same([data.decode_plain(schema, bytes.fromhex(datum)) for datum in back.split(",")], plain)
