"""The Python contestant of the pipeline benchmark: confluent-kafka, fastavro, the Cassandra driver's asynchronous calls.

usage: pipeline.py BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT
"""

from __future__ import annotations

import gc
import io
import json
import pathlib
import signal
import sys
import threading
import time
import uuid

import fastavro
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, ResponseFuture, Session
from cassandra.policies import RoundRobinPolicy
from cassandra.query import tuple_factory
from confluent_kafka import Consumer, Message, TopicPartition

FRAME_BYTES = 5
RECORDS_PER_POLL = 500
POLL_TIMEOUT_S = 0.1
COMMIT_EVERY_S = 1.0
SELECT = "SELECT segment, score FROM bench.visitor_profile WHERE visitor_id = ?"
INSERT = "INSERT INTO bench.visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, ?)"
UNKNOWN = ("unknown", 0.0)


class Partition:
    """Offsets in flight; what is below the lowest of them may be committed."""

    def __init__(self, first: int) -> None:
        self.in_flight: set[int] = set()
        self.lowest = self.next = first

    def done(self, offset: int) -> None:
        self.in_flight.discard(offset)
        while self.lowest < self.next and self.lowest not in self.in_flight:
            self.lowest += 1


class Visits:
    """What happens to a record; callbacks run on the driver's thread."""

    def __init__(self, session: Session, records: int, in_flight: int) -> None:
        self._session = session
        self._select, self._insert = session.prepare(SELECT), session.prepare(INSERT)
        self._slots = threading.Semaphore(in_flight)
        self._lock = threading.Lock()
        self._records, self._warm_up, self._seen = records, records // 5, 0
        self._latencies: list[float] = []
        self.partitions: dict[int, Partition] = {}
        self.finished = threading.Event()

    def start(self, record: Message, fetched: float, nav: dict) -> None:
        self._slots.acquire()
        number, offset = record.partition(), record.offset()
        with self._lock:
            partition = self.partitions.get(number) or self.partitions.setdefault(number, Partition(offset))
            partition.in_flight.add(offset)
            partition.next = offset + 1
        future = self._session.execute_async(self._select, (nav["visitor_id"],))
        future.add_callbacks(self._looked_up, self._failed, callback_args=(partition, offset, fetched, nav))

    def _looked_up(self, rows: list, partition: Partition, offset: int, fetched: float, nav: dict) -> None:
        segment, score = rows[0] if rows else UNKNOWN
        event_id = nav["event_id"]
        values = (
            nav["visitor_id"],
            nav["event_time"],
            event_id if isinstance(event_id, uuid.UUID) else uuid.UUID(event_id),
            nav["page"]["url"],
            segment,
            score,
        )
        future: ResponseFuture = self._session.execute_async(self._insert, values)
        future.add_callbacks(self._written, self._failed, callback_args=(partition, offset, fetched))

    def _written(self, _rows: list, partition: Partition, offset: int, fetched: float) -> None:
        took = time.perf_counter() - fetched
        with self._lock:
            partition.done(offset)
            self._seen += 1
            if self._seen > self._warm_up:
                self._latencies.append(took)
            if self._seen == self._records:
                self.finished.set()
        self._slots.release()

    def _failed(self, why: Exception, *_of: object) -> None:
        print(f"pipeline.py: {why}", file=sys.stderr, flush=True)
        signal.raise_signal(signal.SIGTERM)

    def positions(self, topic: str) -> list[TopicPartition]:
        with self._lock:
            return [TopicPartition(topic, number, one.lowest) for number, one in self.partitions.items()]

    def quantiles(self) -> dict[str, float]:
        took = sorted(self._latencies)
        shares = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
        return {name: took[min(int(len(took) * share), len(took) - 1)] * 1e3 for name, share in shares.items()}


def main() -> None:
    brokers, topic, group, cql, schema_file, records, in_flight = sys.argv[1:]
    host, port = cql.rsplit(":", 1)
    # Timestamps stay numbers: a datetime for each would be thrown away at once.
    text = pathlib.Path(schema_file).read_text().replace("timestamp-millis", "plain").replace("timestamp-micros", "plain")
    schema = fastavro.parse_schema(json.loads(text))
    profile = ExecutionProfile(
        load_balancing_policy=RoundRobinPolicy(),
        consistency_level=ConsistencyLevel.LOCAL_ONE,
        row_factory=tuple_factory,
        request_timeout=15,
    )
    cluster = Cluster([host], port=int(port), protocol_version=4, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    visits = Visits(cluster.connect(), int(records), int(in_flight))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 100000,
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.subscribe([topic])
    gc.freeze()
    taken, committed = 0, time.monotonic()
    while taken < int(records):
        for record in consumer.consume(min(RECORDS_PER_POLL, int(records) - taken), POLL_TIMEOUT_S):
            if record.error():
                raise SystemExit(f"pipeline.py: {record.error()}")
            fetched = time.perf_counter()
            nav = fastavro.schemaless_reader(io.BytesIO(record.value()[FRAME_BYTES:]), schema, None)
            visits.start(record, fetched, nav)
            taken += 1
        if time.monotonic() - committed >= COMMIT_EVERY_S:
            consumer.commit(offsets=visits.positions(topic), asynchronous=True)
            committed = time.monotonic()
    visits.finished.wait()
    consumer.commit(offsets=visits.positions(topic), asynchronous=False)
    print(json.dumps(visits.quantiles()), flush=True)
    signal.sigwait([signal.SIGTERM])


if __name__ == "__main__":
    main()
