"""The Python rows of the benchmark; the protocol is in bench/avro/README.md. avro_peers.py DATA_FOLDER SCHEMA_FILE"""

from __future__ import annotations

import io
import json
import pathlib
import struct
import sys
from collections.abc import Callable, Iterator

import fastavro
import orjson

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "avro"))
import checksum  # noqa: E402

FRAME_BYTES = 5


def datums(file: pathlib.Path) -> list[bytes]:
    raw, at, found = file.read_bytes(), 0, []
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        found.append(raw[at + 4 + FRAME_BYTES : at + 4 + size])
        at += 4 + size
    return found


def from_json(record: dict) -> dict:
    """What is text in JSON alone, as the checksum wants it."""
    record["device"]["ip"] = bytes.fromhex(record["device"]["ip"])
    for product in record["products"]:
        product["price"] = int(product["price"].replace(".", ""))
    return record


def main() -> None:
    folder, schema_file = map(pathlib.Path, sys.argv[1:])
    schema = fastavro.parse_schema(json.loads(schema_file.read_text()))
    data = datums(folder / "navigation.bin")
    lines = (folder / "navigation.jsonl").read_bytes().splitlines()

    def read_avro() -> Iterator[dict]:
        read, stream = fastavro.schemaless_reader, io.BytesIO
        for datum in data:
            yield read(stream(datum), schema, None)

    rows: dict[str, tuple[Callable[[], Iterator[dict]], Callable[[dict], dict]]] = {
        "fastavro": (read_avro, lambda record: record),
        "Python json, JSON": (lambda: map(json.loads, lines), from_json),
        "orjson, JSON": (lambda: map(orjson.loads, lines), from_json),
    }
    print("\t".join(rows), flush=True)
    for line in sys.stdin:
        what, name = line.rstrip("\n").split("\t")
        decode, plain = rows[name]
        if what == "sum":
            total = sum(checksum.record_sum(plain(record)) for record in decode()) & checksum.MASK
            print(f"{total:016x}", flush=True)
        else:
            for _ in decode():
                pass
            print("done", flush=True)


if __name__ == "__main__":
    main()
