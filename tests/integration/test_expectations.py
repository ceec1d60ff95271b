"""The verifier of the integration tests: it accepts what is right and reports every way of being wrong."""

from __future__ import annotations

import collections
import copy
import hashlib
import io
import json
import uuid

import fastavro
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from integration import expectations, navigation, stand_in

COUNT = 1_500
SEED = 7
GROUP = "expectations"


@pytest.fixture(scope="module")
def expected() -> expectations.Effects:
    return expectations.expect(navigation.Generator(SEED).records(COUNT))


@pytest.fixture
def found(expected: expectations.Effects) -> expectations.Effects:
    """A correct result, to be spoilt."""
    return copy.deepcopy(expected)


def visit(visitor: str, when: int, number: int) -> dict:
    record = next(navigation.Generator(0).records(1))
    return record | {"visitor_id": visitor, "event_time": when, "event_id": uuid.UUID(int=number)}


# Records


def test_the_seed_decides_every_byte():
    schema = fastavro.parse_schema(json.loads((navigation.DATA / "navigation.avsc").read_text()))
    digest = hashlib.sha256()
    for record in navigation.Generator(42, odd_share=0.0).records(1_000):
        datum = io.BytesIO()
        fastavro.schemaless_writer(datum, schema, record)
        digest.update(datum.getvalue())
    assert digest.hexdigest() == "356d546017704416bb219ad3db2ff210443541ced2edaa1dccea536cbcd3f3b1"


def test_records_contain_the_hard_cases_for_the_newest_visit(expected: expectations.Effects):
    """Visits that come late, and visitors whose newest visit only the order in the topic decides."""
    last: dict[str, uuid.UUID] = {}
    visits_of: dict[tuple[str, int], int] = collections.Counter()
    for record in navigation.Generator(SEED).records(COUNT):
        last[record["visitor_id"]] = record["event_id"]
        visits_of[record["visitor_id"], record["event_time"]] += 1
    late = sum(newest[1] != last[visitor] for visitor, newest in expected.last_seen.items())
    ties = sum(visits_of[visitor, newest[0]] > 1 for visitor, newest in expected.last_seen.items())
    assert late >= 10 and ties >= 10, (late, ties)


def test_records_hold_visitors_without_a_profile(expected: expectations.Effects):
    segments = {row[expectations.VISIT_COLUMNS.index("segment")] for row in expected.visit.values()}
    assert "unknown" in segments and len(segments) == 8


# Expectations


@pytest.mark.parametrize(
    ("visitor", "profile"),
    [("v00001230", None), ("v00000001", ("segment-1", 0.001)), ("v00123456", ("segment-4", 0.456))],
)
def test_profiles_follow_from_the_number(visitor: str, profile):
    assert expectations.profile_of(visitor) == profile


def test_the_newest_visit_is_the_latest_event():
    effects = expectations.expect([visit("v1", 2_000, 1), visit("v1", 1_000, 2)])
    assert effects.last_seen["v1"][1] == uuid.UUID(int=1)


def test_of_equal_event_times_the_later_record_is_the_newest_visit():
    effects = expectations.expect([visit("v1", 2_000, 1), visit("v1", 2_000, 2)])
    assert effects.last_seen["v1"][1] == uuid.UUID(int=2)


# Comparison


def test_the_right_result_is_exact(expected, found):
    report = expectations.compare(expected, found)
    assert report.exact
    assert [part.found for part in report.parts] == [COUNT, len(expected.last_seen), COUNT]


def test_without_processing_every_record_is_lost(expected):
    report = expectations.compare(expected, expectations.Effects())
    assert report.total("lost") == 2 * COUNT + len(expected.last_seen)
    assert not report.complete


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_lost_row_is_reported(expected, found, part: int):
    rows = (found.visit, found.last_seen, found.feed)[part]
    key, _ = rows.popitem()
    report = expectations.compare(expected, found)
    assert report.parts[part].lost == report.total("lost") == 1
    assert not report.complete
    assert "lost" in str(report) and str(key[0] if isinstance(key, tuple) else key) in str(report)


@pytest.mark.parametrize("column", range(len(expectations.VISIT_COLUMNS)))
def test_a_wrong_column_is_reported_by_name(expected, found, column: int):
    key, row = found.visit.popitem()
    found.visit[key] = row[:column] + ("spoilt",) + row[column + 1 :]
    report = expectations.compare(expected, found)
    assert report.total("wrong") == 1
    assert f"{expectations.VISIT_COLUMNS[column]} is 'spoilt'" in str(report)


def test_a_wrong_field_of_the_feed_is_reported_by_name(expected, found):
    next(iter(found.feed.values()))["basket_value"] += 0.01
    report = expectations.compare(expected, found)
    assert report.parts[2].wrong == 1
    assert "basket_value is" in str(report)


def test_an_unexpected_row_is_reported(expected, found):
    found.last_seen["v99999999"] = (0, uuid.UUID(int=0), "CLICK", "")
    report = expectations.compare(expected, found)
    assert report.parts[1].unexpected == 1 and not report.complete


def test_a_repeated_record_is_complete_and_not_exact(expected, found):
    found.feed_repeats[next(iter(found.feed))] += 2
    report = expectations.compare(expected, found)
    assert report.complete and not report.exact
    assert report.parts[2].duplicated == 2


# On servers


def run_stand_in(kafka, cassandra, registry) -> None:
    navigation.reset(kafka, cassandra)
    navigation.prepare(kafka, cassandra, navigation.Generator(SEED).records(COUNT))
    assert navigation.write(kafka, registry, navigation.Generator(SEED).records(COUNT)) == COUNT
    assert navigation.lag(kafka, GROUP) == COUNT
    stand_in.process(kafka, cassandra, registry, GROUP, lambda taken: taken >= COUNT)
    assert navigation.lag(kafka, GROUP) == 0


def repeat_one_feed_record(kafka) -> None:
    consumer = Consumer(kafka.client_config({"group.id": "repeater"}))
    consumer.assign([TopicPartition(navigation.FEED_TOPIC, partition, 0) for partition in range(20)])
    message = consumer.poll(30)
    consumer.close()
    producer = Producer(kafka.client_config())
    producer.produce(navigation.FEED_TOPIC, message.value(), message.key())
    assert producer.flush(30) == 0


def test_a_correct_application_is_exact_and_mutations_are_found(stack, expected):
    kafka, cassandra, registry = stack
    run_stand_in(kafka, cassandra, registry)
    report = expectations.compare(expected, expectations.read(kafka, cassandra, registry))
    assert report.exact, str(report)

    session = cassandra.session()
    rows = iter(expected.visit)
    lost, wrong = next(rows), next(rows)
    where = f"FROM {navigation.KEYSPACE}.visit WHERE visitor_id = %s AND event_time = %s AND event_id = %s"
    session.execute(f"DELETE {where}", lost)
    session.execute(f"DELETE country, url {where}", wrong)
    session.cluster.shutdown()
    repeat_one_feed_record(kafka)

    report = expectations.compare(expected, expectations.read(kafka, cassandra, registry))
    assert [report.total(what) for what in ("lost", "wrong", "unexpected", "duplicated")] == [1, 1, 0, 1], str(report)


def test_created_header_is_a_microsecond_clock(stack):
    kafka, cassandra, registry = stack
    navigation.reset(kafka, cassandra)
    navigation.prepare(kafka, cassandra, [])
    navigation.write(kafka, registry, navigation.Generator(SEED).records(1))
    consumer = Consumer(kafka.client_config({"group.id": "header"}))
    consumer.assign([TopicPartition(navigation.SOURCE_TOPIC, partition, 0) for partition in range(20)])
    message = consumer.poll(30)
    consumer.close()
    created_us = int(dict(message.headers())[navigation.CREATED_HEADER])
    assert abs(created_us / 1_000 - message.timestamp()[1]) < 60_000
