"""The checksum of README.md, over records as Python values."""

from __future__ import annotations

import datetime
import decimal
import functools
import struct
import uuid

MASK = (1 << 64) - 1
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# The projection's fields: their paths.
PROJECTION = ("event_time", "partner_id", "visitor_id", "page.url", "session.sequence")
# Fields that only navigation_older.avsc has: no checksum covers them.
DROPPED = frozenset({"cookie", "plugins"})


@functools.lru_cache(maxsize=1 << 16)
def fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


@functools.lru_cache(maxsize=1 << 10)
def weight(name: str) -> int:
    return fnv1a(name.encode()) | 1


def _leaf(value: object, unit_us: int) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bool, int)):
        return struct.pack("<q", value)
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, uuid.UUID):
        return str(value).encode()
    if isinstance(value, decimal.Decimal):
        return struct.pack("<q", int(value.scaleb(2)))
    assert isinstance(value, datetime.datetime)
    return struct.pack("<q", (value - EPOCH) // datetime.timedelta(microseconds=unit_us))


def record_sum(value: object, name: str = "", path: str = "", only: tuple[str, ...] = ()) -> int:
    """Of one record, or of one value in the field `name`. With `only`, of the fields with these paths alone."""
    if value is None:
        return 0
    if isinstance(value, dict):
        total = 0
        for key, inner in value.items():
            if key in DROPPED:
                continue
            inner_path = f"{path}.{key}" if path else key
            if not only or any(one == inner_path or one.startswith(inner_path + ".") for one in only):
                total += record_sum(inner, key, inner_path, only)
            if name in MAPS:
                total += fnv1a(key.encode()) * weight(name)
        return total & MASK
    if isinstance(value, list):
        return sum(record_sum(item, name, path, only) for item in value) & MASK
    return (fnv1a(_leaf(value, 1 if name == "received_time" else 1000)) * weight(name)) & MASK


MAPS = frozenset({"query", "consents", "attributes", "custom"})
