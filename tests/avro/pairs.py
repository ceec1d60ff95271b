"""Random (writer, reader, datum): the same for the same seed."""

from __future__ import annotations

import dataclasses
import os
import random

from . import data, schemas

BATCH = 2_000
PAIRS = int(os.environ.get("MILLRACE_AVRO_PAIRS", "2000"))
SEED = int(os.environ.get("MILLRACE_AVRO_SEED", "1"))
BATCHES = range((PAIRS + BATCH - 1) // BATCH)


@dataclasses.dataclass
class Pair:
    writer: schemas.Schema
    reader: schemas.Schema  # the writer's own, where that is requested
    value: object
    datum: bytes  # in blocks as they may come
    plain: bytes  # in blocks as encoders make them

    def request(self, word: str, logical: bool = True) -> list[str]:
        writer, reader = (schemas.to_json(schema, logical) for schema in (self.writer, self.reader))
        return [word, writer, reader, self.datum.hex()]


def make(batch: int, edited: bool) -> list[Pair]:
    made = []
    for i in range(min(BATCH, PAIRS - batch * BATCH)):
        rng = random.Random(f"{SEED}.{batch}.{i}")
        author = schemas.Author(rng)
        writer = author.schema()
        value = data.value_of(writer, rng)
        reader = schemas.Editor(rng, author).edit(writer) if edited else writer
        datum, plain = data.Encoder(rng).encode(writer, value), data.Encoder().encode(writer, value)
        made.append(Pair(writer, reader, value, datum, plain))
    return made
