"""The records of the benchmark: data.py COUNT FOLDER [SEED].

Writes navigation.bin (per record a u32 little-endian length, then a Kafka value in Confluent framing: 0x00, schema id 1
as u32 big-endian, the Avro datum), older.bin (the same records by navigation_older.avsc), navigation.jsonl (the same
as JSON, one a line: bytes as hexadecimal digits, the decimal as text with two decimals) and manifest.json (counts,
sizes, checksums). Needs fastavro. Visitor ids follow a Pareto law (hot keys).
"""

from __future__ import annotations

import io
import json
import pathlib
import random
import struct
import sys

import checksum
import fastavro

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from reference_records import WORDS, ReferenceRecords  # noqa: E402 - the path comes first

REFERENCE = ROOT / "libs" / "avro" / "tests" / "data" / "navigation.avsc"
FRAME = b"\0\0\0\0\1"


class Dropped:
    """The record as the older writer had it: with the fields that were dropped since."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"dropped-{seed}")

    def older(self, record: dict) -> dict:
        r = self._random
        device = record["device"] | {"plugins": r.choices(WORDS, k=r.randint(0, 2))}
        return record | {"cookie": f"c-{r.getrandbits(64):016x}", "device": device}


def as_json(record: dict) -> str:
    plain = record | {"event_id": str(record["event_id"])}
    plain["device"] = record["device"] | {"ip": record["device"]["ip"].hex()}
    plain["products"] = [product | {"price": f"{product['price']:.2f}"} for product in record["products"]]
    return json.dumps(plain)


class BinaryFile:
    def __init__(self, folder: pathlib.Path, name: str, schema: pathlib.Path) -> None:
        self._file = open(folder / name, "wb")
        self._schema = fastavro.parse_schema(json.loads(schema.read_text()))
        self.datum_bytes = 0

    def append(self, record: dict) -> None:
        datum = io.BytesIO()
        fastavro.schemaless_writer(datum, self._schema, record)
        value = FRAME + datum.getvalue()
        self._file.write(struct.pack("<I", len(value)) + value)
        self.datum_bytes += len(value) - len(FRAME)

    def close(self) -> None:
        self._file.close()


def write(count: int, folder: pathlib.Path, seed: int = 42) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reference = BinaryFile(folder, "navigation.bin", REFERENCE)
    older = BinaryFile(folder, "older.bin", HERE / "navigation_older.avsc")
    records, dropped = ReferenceRecords(seed), Dropped(seed)
    every_field = projection = json_bytes = 0
    with open(folder / "navigation.jsonl", "w", encoding="utf-8") as lines:
        for i in range(count):
            record = records.record(i)
            reference.append(record)
            older.append(dropped.older(record))
            text = as_json(record)
            lines.write(text + "\n")
            json_bytes += len(text)
            every_field = (every_field + checksum.record_sum(record)) & checksum.MASK
            projection = (projection + checksum.record_sum(record, only=checksum.PROJECTION)) & checksum.MASK
    reference.close()
    older.close()
    manifest = {
        "records": count,
        "seed": seed,
        "bytes": {"navigation": reference.datum_bytes, "older": older.datum_bytes, "json": json_bytes},
        "checksums": {"every field": f"{every_field:016x}", "five fields": f"{projection:016x}"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    write(int(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:]))
