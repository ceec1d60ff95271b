"""Random data, and Avro's binary form once more, written from the specification. Values carry the branch of each union,
which the other implementations' values do not: ("union", index, value). Maps are lists of pairs."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

from .schemas import Schema, kind

DEPTH_MAX = 10
INTS = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2**31 - 1, -(2**31)]
LONGS = INTS + [2**31, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOAT_MAX = 3.4028234663852886e38
FLOATS = [0.0, -0.0, 1.5, -2.25, FLOAT_MAX, 1e-45, math.inf, -math.inf, math.nan]
TEXTS = ["", "a", "caf\u00e9", "\u65e5\u672c", "\U0001f600", "nul\u0000l", "x" * 70, '"\\\n']


def value_of(schema: Schema, rng: random.Random, depth: int = 0) -> Any:
    what = kind(schema)
    if what == "union":
        indexes = list(range(len(schema)))
        if depth > DEPTH_MAX and "null" in schema:
            return ("union", schema.index("null"), None)
        index = rng.choice(indexes)
        return ("union", index, value_of(schema[index], rng, depth + 1))
    if what == "record":
        return {field["name"]: value_of(field["type"], rng, depth + 1) for field in schema["fields"]}
    few = 0 if depth > DEPTH_MAX else rng.choice([0, 1, 1, 2, 3])
    if what == "array":
        return [value_of(schema["items"], rng, depth + 1) for _ in range(few)]
    if what == "map":
        return [(f"k{i}" + rng.choice(TEXTS), value_of(schema["values"], rng, depth + 1)) for i in range(few)]
    if what == "enum":
        return rng.randrange(len(schema["symbols"]))
    if what == "fixed":
        return rng.randbytes(schema["size"])
    return {
        "null": lambda: None,
        "boolean": lambda: rng.random() < 0.5,
        "int": lambda: rng.choice(INTS) if rng.random() < 0.5 else rng.randrange(-(2**31), 2**31),
        "long": lambda: rng.choice(LONGS) if rng.random() < 0.5 else rng.randrange(-(2**63), 2**63),
        "float": lambda: struct.unpack("<f", struct.pack("<f", rng.choice(FLOATS)))[0],
        "double": lambda: rng.choice([*FLOATS, 1e300, 0.1]),
        "bytes": lambda: rng.choice([b"", b"\xff\x00", rng.choice(TEXTS).encode(), rng.randbytes(5)]),
        "string": lambda: rng.choice(TEXTS),
    }[what]()


def in_json(value: Any) -> bool:
    """Whether both sides can say it in JSON: Java reads its own NaN as little as its own Infinity."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, tuple | list):
        return all(in_json(part) for part in value)
    return all(in_json(part) for part in value.values()) if isinstance(value, dict) else True


def varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


class Encoder:
    """`blocks`: arrays and maps in several blocks, some with their sizes, as careful writers may."""

    def __init__(self, blocks: random.Random | None = None) -> None:
        self.blocks = blocks

    def encode(self, schema: Schema, value: Any) -> bytes:
        what = kind(schema)
        if what == "union":
            return varint(value[1]) + self.encode(schema[value[1]], value[2])
        if what == "record":
            return b"".join(self.encode(field["type"], value[field["name"]]) for field in schema["fields"])
        if what == "array":
            return self._collection([self.encode(schema["items"], item) for item in value])
        if what == "map":
            return self._collection([_bytes(key.encode()) + self.encode(schema["values"], item) for key, item in value])
        if what == "enum":
            return varint(value)
        if what == "fixed":
            return value
        if what == "null":
            return b""
        if what == "boolean":
            return b"\x01" if value else b"\x00"
        if what in ("int", "long"):
            return varint(value)
        if what in ("float", "double"):
            return struct.pack("<f" if what == "float" else "<d", value)
        return _bytes(value.encode() if what == "string" else value)

    def _collection(self, items: list[bytes]) -> bytes:
        out = b""
        while items:
            size = len(items) if self.blocks is None else self.blocks.randrange(1, len(items) + 1)
            block, items = items[:size], items[size:]
            content = b"".join(block)
            if self.blocks is not None and self.blocks.random() < 0.5:
                out += varint(-size) + varint(len(content)) + content
            else:
                out += varint(size) + content
        return out + b"\x00"


def _bytes(value: bytes) -> bytes:
    return varint(len(value)) + value


def decode_plain(schema: Schema, data: bytes) -> Any:
    """As fastavro gives it: unions without their branch, enums by symbol, maps as dicts."""
    reader = _Reader(data)
    value = reader.read(schema)
    assert reader.at == len(data), "bytes left over"
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data), "truncated"
        self.at += size
        return self.data[self.at - size : self.at]

    def long(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def items(self, read: Any) -> list[Any]:
        found = []
        while count := self.long():
            if count < 0:
                self.long()
            found += [read() for _ in range(abs(count))]
        return found

    def read(self, schema: Schema) -> Any:
        what = kind(schema)
        if what == "union":
            return self.read(schema[self.long()])
        if what == "record":
            return {field["name"]: self.read(field["type"]) for field in schema["fields"]}
        if what == "array":
            return self.items(lambda: self.read(schema["items"]))
        if what == "map":
            return dict(self.items(lambda: (self.take(self.long()).decode(), self.read(schema["values"]))))
        if what == "enum":
            return schema["symbols"][self.long()]
        if what == "fixed":
            return self.take(schema["size"])
        if what == "null":
            return None
        if what == "boolean":
            return self.take(1) == b"\x01"
        if what in ("int", "long"):
            return self.long()
        if what in ("float", "double"):
            return struct.unpack("<f", self.take(4))[0] if what == "float" else struct.unpack("<d", self.take(8))[0]
        raw = self.take(self.long())
        return raw.decode() if what == "string" else raw


def same(left: Any, right: Any) -> bool:
    """Equal in type and value; NaN is NaN, -0.0 is not 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return struct.pack("<d", left) == struct.pack("<d", right) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right
