"""The records of the benchmark: data.py COUNT FOLDER [SEED].

Writes navigation.bin (per record a u32 little-endian length, then a Kafka value in Confluent framing: 0x00, schema id 1
as u32 big-endian, the Avro datum), older.bin (the same records by navigation_older.avsc), navigation.jsonl (the same
as JSON, one a line: bytes as hexadecimal digits, the decimal as text with two decimals) and manifest.json (counts,
sizes, checksums). Needs fastavro. Visitor ids follow a Pareto law (hot keys).
"""

from __future__ import annotations

import decimal
import io
import json
import pathlib
import random
import struct
import sys
import uuid

import checksum
import fastavro

HERE = pathlib.Path(__file__).resolve().parent
REFERENCE = HERE.parents[1] / "libs" / "avro" / "tests" / "data" / "navigation.avsc"
FRAME = b"\0\0\0\0\1"
WORDS = (
    "shoes winter red blue discount promo kids home garden phone laptop camera audio sport outdoor beauty books toys "
    "sale new"
).split()


class Records:
    """The same for the same seed. The order of the draws is the contract."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._dropped = random.Random(f"dropped-{seed}")

    def record(self, i: int) -> dict:
        r = self._random
        visitor = f"v{int(r.paretovariate(1.1) * 1000) % 1_000_000:08d}"
        return {
            "event_id": uuid.UUID(int=r.getrandbits(128)),
            "event_time": 1_760_000_000_000 + i * 5,
            "received_time": 1_760_000_000_000_000 + i * 5_003,
            "partner_id": r.randint(1, 300),
            "visitor_id": visitor,
            "kind": r.choice(["PAGE_VIEW"] * 6 + ["CLICK", "ADD_TO_CART", "PURCHASE", "SEARCH", "CUSTOM"]),
            "page": self._page(),
            "device": self._device(),
            "geo": r.choice([None, self._geo()]),
            "consents": {
                key: r.choice(["UNKNOWN", "GRANTED", "DENIED"]) for key in ["analytics", "ads", "personalisation"]
            },
            "products": [self._product() for _ in range(r.choice([0, 0, 1, 1, 2, 3, 5]))],
            "campaign": r.choice([None, self._campaign()]),
            "custom": {
                f"k{j}": r.choice([None, True, 5, 10**12, 2.5, "value", "x" * 20, ["a", "b", "c"]])
                for j in range(r.randint(0, 6))
            },
            "session": {
                "id": uuid.UUID(int=r.getrandbits(128)).hex,
                "sequence": r.randint(0, 50),
                "is_new": r.random() < 0.2,
                "started": 1_760_000_000_000 + i,
            },
            "tags": r.choices(WORDS, k=r.randint(0, 5)),
        }

    def older(self, record: dict) -> dict:
        """The record as the older writer had it: with the fields that were dropped since."""
        r = self._dropped
        device = record["device"] | {"plugins": r.choices(WORDS, k=r.randint(0, 2))}
        return record | {"cookie": f"c-{r.getrandbits(64):016x}", "device": device}

    def _page(self) -> dict:
        r = self._random
        path = "/".join(r.choices(WORDS, k=r.randint(1, 4)))
        return {
            "url": f"https://www.shop{r.randint(1, 40)}.example/{path}?id={r.randint(1, 10**7)}",
            "title": r.choice([None, " ".join(r.choices(WORDS, k=4)).title()]),
            "referrer": r.choice([None, None, "https://search.example/?q=" + r.choice(WORDS)]),
            "query": {
                key: r.choice(WORDS) for key in r.sample(["q", "utm", "page", "sort", "filter"], r.randint(0, 3))
            },
        }

    def _product(self) -> dict:
        r = self._random
        return {
            "sku": f"SKU-{r.randint(1, 10**6):07d}",
            "name": r.choice([None, " ".join(r.choices(WORDS, k=3))]),
            "price": decimal.Decimal(r.randint(100, 99_999)) / 100,
            "quantity": r.randint(1, 4),
            "categories": r.choices(WORDS, k=r.randint(0, 3)),
            "attributes": {
                key: r.choice([None, True, r.randint(0, 10**9), r.random(), r.choice(WORDS)])
                for key in r.sample(["size", "color", "stock", "rating", "brand"], r.randint(0, 3))
            },
        }

    def _device(self) -> dict:
        r = self._random
        return {
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{r.randint(90, 140)}.0.0.0 Safari/537.36",
            "ip": r.getrandbits(128).to_bytes(16, "big"),
            "screen": r.choice([None, {"width": 1920, "height": 1080}]),
            "viewport": r.choice([None, {"width": 1280, "height": 720}]),
            "languages": r.sample(["fr-FR", "en-US", "de-DE", "es-ES"], r.randint(1, 3)),
        }

    def _geo(self) -> dict:
        r = self._random
        return {
            "country": r.choice(["FR", "DE", "US", "ES"]),
            "city": r.choice([None, "Paris", "Lyon"]),
            "lat": r.uniform(-90, 90),
            "lon": r.uniform(-180, 180),
            "accuracy": r.choice([None, 12.5]),
        }

    def _campaign(self) -> dict:
        r = self._random
        return {
            "source": "newsletter",
            "medium": r.choice([None, "email"]),
            "name": "autumn",
            "landing": r.choice([None, self._page()]),
        }


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
    records = Records(seed)
    every_field = projection = json_bytes = 0
    with open(folder / "navigation.jsonl", "w", encoding="utf-8") as lines:
        for i in range(count):
            record = records.record(i)
            reference.append(record)
            older.append(records.older(record))
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
