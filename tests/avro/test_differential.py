"""Random schemas and data, ours beside Avro for Java and fastavro. How many: MILLRACE_AVRO_PAIRS."""

from __future__ import annotations

import collections
import io
import json
import struct
import typing

import fastavro
import pytest

from . import data, divergences, pairs, peers, schemas
from .peers import Answer

SHOWN = 5


def report(unexplained: list[tuple[object, ...]]) -> None:
    """The smallest first."""
    unexplained.sort(key=lambda case: len(str(case)))
    text = "\n\n".join("\n".join(map(str, case)) for case in unexplained[:SHOWN])
    assert not unexplained, f"{len(unexplained)} differ, the smallest of them:\n{text}"


def read_by_fastavro(writer: str, reader: str | None, datum: bytes) -> tuple[str, typing.Any]:
    stream = io.BytesIO(datum)
    try:
        target = None if reader is None else fastavro.parse_schema(json.loads(reader))
        value = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(writer)), target)
    except Exception as refused:  # its errors have no common base
        return "error", repr(refused)
    return ("error", "trailing bytes") if stream.read() else ("ok", value)


@pytest.mark.parametrize("batch", pairs.BATCHES)
def test_data_round_trips_through_every_codec(batch: int) -> None:
    """Every implementation understands the bytes; ours writes them as the specification says."""
    made = pairs.make(batch, edited=False)
    requests = [pair.request("resolve") for pair in made]
    wrong: list[tuple[object, ...]] = []
    for pair, request, ours, java in zip(made, requests, peers.ours(requests), peers.java(requests), strict=True):
        text = schemas.to_json(pair.writer, logical=False)
        fast = read_by_fastavro(text, None, pair.datum)
        expected = data.decode_plain(pair.writer, pair.plain)
        if ours != ("ok", pair.plain.hex()) or java != ours or fast[0] != "ok" or not data.same(fast[1], expected):
            wrong.append((request, pair.plain.hex(), ours, java, fast))
    report(wrong)


@pytest.mark.parametrize("batch", pairs.BATCHES)
def test_json_round_trips(batch: int) -> None:
    """Avro's JSON encoding, from ours to Java and back."""
    made = [pair for pair in pairs.make(batch, edited=False) if data.in_json(pair.value)]
    wanted = [pair.plain.hex() for pair in made]
    texts = [schemas.to_json(pair.writer) for pair in made]
    ask = [["to_json", text, datum] for text, datum in zip(texts, wanted, strict=True)]
    ours, java = peers.ours(ask), peers.java(ask)
    ours_of_java = peers.ours([["from_json", text, said[1]] for text, said in zip(texts, java, strict=True)])
    java_of_ours = peers.java([["from_json", text, said[1]] for text, said in zip(texts, ours, strict=True)])
    wrong = [
        case
        for case in zip(texts, wanted, ours, java, ours_of_java, java_of_ours, strict=True)
        # Java writes nothing at all for a record without fields.
        if (case[4] != ("ok", case[1]) and case[3][1]) or case[5] != ("ok", case[1])
    ]
    report(wrong)


@pytest.mark.parametrize("batch", pairs.BATCHES)
def test_data_resolves_to_another_schema(batch: int, record_testsuite_property: typing.Callable[[str, object], None]) -> None:
    made = pairs.make(batch, edited=True)
    requests = [pair.request("resolve") for pair in made]
    ours, java = peers.ours(requests), peers.java(requests)
    differ = [i for i in range(len(made)) if not divergences.agree(ours[i], java[i])]
    others = [made[i] for i in differ]
    answers = zip(
        peers.ours([pair.request("resolve_leniently") for pair in others]),
        peers.ours([pair.request("resolve_leniently", logical=False) for pair in others]),
        peers.java([pair.request("compat") for pair in others]),
        strict=True,
    )
    counts = collections.Counter(agree=len(made) - len(others))
    wrong: list[tuple[object, ...]] = []
    for i, (lenient, bare, compatible) in zip(differ, answers, strict=True):
        case = divergences.Case(requests[i][1], requests[i][2], ours[i], lenient, bare, java[i], compatible[1])
        rule = divergences.explain(case)
        counts[rule or "unexplained"] += 1
        if rule is None:
            wrong.append((requests[i], case))
    counts.update(third_voice(made, ours))
    for name, count in counts.items():
        record_testsuite_property(f"batch {batch}, {name}", count)
    report(wrong)
    assert counts["agree"] > 0.9 * len(made), counts
    assert sum(answer[0] == "ok" for answer in ours) > len(made) / 3, "most pairs should say something"


def third_voice(made: list[pairs.Pair], ours: list[Answer]) -> collections.Counter[str]:
    """How often fastavro agrees. It is known to differ from Java in much, so Java has the say."""
    counts: collections.Counter[str] = collections.Counter()
    for pair, mine in zip(made, ours, strict=True):
        writer, reader = (schemas.to_json(schema, logical=False) for schema in (pair.writer, pair.reader))
        fast = read_by_fastavro(writer, reader, pair.datum)
        if mine[0] != "ok":
            counts["fastavro agrees" if fast[0] != "ok" else "fastavro reads what we refuse"] += 1
            continue
        value = data.decode_plain(pair.reader, bytes.fromhex(mine[1]))
        if fast[0] != "ok":
            counts["fastavro refuses what we read"] += 1
        elif data.same(value, fast[1]):
            counts["fastavro agrees"] += 1
        elif data.same(singles(value), singles(fast[1])):
            counts["fastavro does not round to float"] += 1
        else:
            counts["fastavro takes another branch or default"] += 1
    return counts


def singles(value: typing.Any) -> typing.Any:
    if isinstance(value, float | int) and not isinstance(value, bool):
        try:
            return struct.pack("<f", value)
        except (OverflowError, struct.error):
            return value
    if isinstance(value, list):
        return [singles(part) for part in value]
    return {key: singles(part) for key, part in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("batch", pairs.BATCHES)
def test_compat_predicts_decoding(batch: int) -> None:
    made = pairs.make(batch, edited=True)
    decoded = peers.ours([pair.request("resolve") for pair in made])
    verdicts = peers.ours([pair.request("compat") for pair in made])
    java = peers.java([pair.request("compat") for pair in made])
    wrong: list[tuple[object, ...]] = []
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for pair, answer, verdict, theirs in zip(made, decoded, verdicts, java, strict=True):
        counts[verdict[1], theirs[1]] += 1
        unreadable_text = answer[1].startswith("invalid_utf8")
        holds = verdict[0] == "error" and answer[0] == "error"  # a schema that is invalid
        holds |= verdict == ("ok", "always") and answer[0] == "refused"
        holds |= verdict == ("ok", "sometimes") and (answer[0] == "ok" or answer[1].startswith("unresolvable"))
        holds |= verdict[0] == "ok" and verdict[1] != "always" and (answer[0] == "ok" or unreadable_text)
        if verdict == ("ok", "never") and answer[1].startswith("unresolvable"):
            holds = False
        if not holds:
            wrong.append((*pair.request("compat"), verdict, answer))
    report(wrong)
    fits = counts["never", "COMPATIBLE"] + counts["always", "INCOMPATIBLE"] + counts["sometimes", "INCOMPATIBLE"]
    assert fits > 0.9 * len(made), counts
