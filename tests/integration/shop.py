"""The shop example (examples/shop) between real servers: its records, its service, its members, and what it must do.

The expected effects are computed in plain Python; nothing here shares code with the product. The rules:

* customers: the last record of a key wins, a tombstone deletes the row; every record is emitted as a profile without e-mail;
* revenue and order_count: every order that can be read and is not of a test;
* customer_order, order_line, orders_enriched: the same without orders that enrich_orders sends to the dead-letter topic;
* orders_review: orders of more than 1,000 euros, and of customers with a risk of 80 or more;
* payment: positive payments that are no vouchers.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import http.client
import http.server
import io
import itertools
import json
import pathlib
import random
import re
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from decimal import Decimal
from typing import Callable, Iterable

import fastavro
import yaml
from cassandra.concurrent import execute_concurrent_with_args
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from faults.member import samples
from servers.access import CassandraAccess, KafkaAccess, RegistryAccess
from servers.process import Process, free_port
from servers.state import BUILD

from .navigation import lag

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "shop"
KEYSPACE = "millrace_shop"
SOURCES = ("orders", "payments", "customers")
TOPICS = {  # partitions
    "orders": 8,
    "payments": 4,
    "customers": 4,
    "orders_enriched": 4,
    "orders_review": 2,
    "customer_profiles": 4,
    "shop-dlq": 1,
    "payments-dlq": 1,
}
COMPACTED = ("customers", "customer_profiles")
COUNTRIES = {"FR": "France", "DE": "Germany", "ES": "Spain", "IT": "Italy", "SE": "Sweden"}
ARTICLES = {f"a{number}": f"Article {number}" for number in range(20)}
UNKNOWN_ARTICLE = "a20"
UNKNOWN_TITLE = "(unknown)"
REVIEW_ABOVE = Decimal(1_000)
REVIEW_RISK = 80
CUSTOMERS = 200
DELETED = 40  # customers without orders, who are deleted
SILENT_EVERY = 10  # the service does not know these customers
BABBLING = (7, 57)  # customers for whom the service answers with no number
FAILS_EVERY = 17  # requests to the service
FIRST_PLACED_MS = 1_760_000_000_000
PLACED_STEP_MS = 90_000
EPOCH = datetime.datetime(1970, 1, 1)

SESSION_TIMEOUT_MS = 6_000
CUSTOMER_WAIT_S = 5
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
FINISH_TIMEOUT_S = 90.0
REQUEST_TIMEOUT_S = 30.0
PAUSE_S = 0.05
BATCH = 1_000
FRAME = struct.Struct(">bI")


@dataclasses.dataclass(frozen=True)
class Sent:
    """A record that is written to a source topic. `what` is its content; None: it cannot be read, or is of a test."""

    topic: str
    key: bytes
    value: bytes | None
    what: dict | None = None
    headers: tuple[tuple[str, str], ...] = ()
    dead_letter: tuple[str, str | None] | None = None  # topic, and the processor that could not process it


def key_of(customer: str) -> bytes:
    return json.dumps({"id": customer}).encode()


def risk_text(customer: str) -> str | None:
    """The answer of the service; None: it does not know the customer."""
    number = int(customer[1:])
    if number in BABBLING and customer.startswith("c"):
        return "low"
    return None if number % SILENT_EVERY == 0 else str(zlib.crc32(customer.encode()) % 101)


def risk_of(customer: str) -> int | None:
    """None: the answer is no number."""
    text = risk_text(customer)
    if text is None:
        return 0
    return int(text) if text.isdecimal() else None


class Encoder:
    """Values as production services would write them."""

    def __init__(self, registry: RegistryAccess):
        client = registry.client()
        self._serializers = {
            topic: AvroSerializer(client, (EXAMPLE / "schemas" / f"{schema}.avsc").read_text())
            for topic, schema in (("orders", "order"), ("customers", "customer"))
        }

    def avro(self, topic: str, value: dict) -> bytes:
        return self._serializers[topic](value, SerializationContext(topic, MessageField.VALUE))


class Records:
    """The records of a run: the same for the same seed."""

    def __init__(self, encoder: Encoder, seed: int):
        self._encoder = encoder
        self._random = random.Random(seed)
        self._numbers = itertools.count()

    def all_customers(self) -> list[Sent]:
        """One record of each customer."""
        names = [f"c{number}" for number in range(CUSTOMERS)] + [f"d{number}" for number in range(DELETED)]
        return [self.customer(name) for name in names]

    def load(self, orders: int) -> list[Sent]:
        """Orders, payments, changes and deletions of customers, and bad records, mixed. Keys keep their order."""
        r = self._random
        made = self.bad()
        for _ in range(orders):
            made.append(self.order(f"c{r.randrange(CUSTOMERS)}"))
            if r.random() < 0.3:
                made.append(self.payment(made[-1].what["id"]))
            if r.random() < 0.05:
                made.append(self.customer(f"c{r.randrange(CUSTOMERS)}"))
        r.shuffle(made)
        for number in range(DELETED):
            place = r.randrange(len(made))
            made.insert(place, Sent("customers", key_of(f"d{number}"), None, {"customer": f"d{number}"}))
            if number % 4 == 0:  # and is a customer again
                made.insert(r.randrange(place + 1, len(made) + 1), self.customer(f"d{number}"))
        # Last, when no member is stopped any more: an order that waits for its customer is not finished by a stop.
        return made + [self.order(customer, dead_letter=True) for customer in ("u1", "u2")]

    def calm(self, orders: int, payments: int, customers: int) -> list[Sent]:
        """Good records only."""
        r = self._random
        good = [number for number in range(CUSTOMERS) if number not in BABBLING]
        made = [self.order(f"c{r.choice(good)}") for _ in range(orders)]
        made += [self.payment(made[number].what["id"]) for number in range(payments)]
        return made + [self.customer(f"c{number}") for number in range(customers)]

    def order(self, customer: str, country: str | None = None, dead_letter: bool = False, lines: int | None = None) -> Sent:
        r = self._random
        number = next(self._numbers)
        count = r.randint(1, 3) if lines is None else lines
        articles = r.sample([*ARTICLES, UNKNOWN_ARTICLE], count)
        what = {
            "id": f"o{number}",
            "customer": customer,
            "country": country or r.choice(list(COUNTRIES)),
            "placed": FIRST_PLACED_MS + number * PLACED_STEP_MS,
            "lines": [
                {"article": article, "quantity": r.randint(1, 9), "amount": self._amount(60_000)} for article in articles
            ],
            "shipping": self._amount(2_000),
        }
        fails = dead_letter or risk_of(customer) is None
        return Sent(
            "orders",
            customer.encode(),
            self._encoder.avro("orders", what),
            what,
            dead_letter=("shop-dlq", "enrich_orders") if fails else None,
        )

    def payment(self, order: str, method: str | None = None, amount: Decimal | None = None) -> Sent:
        """In one of the forms in which JSON may be written."""
        r = self._random
        number = next(self._numbers)
        what = {
            "id": f"p{number}",
            "order": order,
            "paid": FIRST_PLACED_MS + number * PLACED_STEP_MS,
            "amount": self._amount(900_000) if amount is None else amount,
            "method": method or r.choice(["CARD", "CARD", "TRANSFER", "VOUCHER"]),
            "reference": r.choice([None, f"ref-{number}"]),
        }
        document = what | {
            "amount": r.choice([float, str])(what["amount"]),
            "paid": r.choice([what["paid"], _iso(what["paid"])]),
        }
        if document["reference"] is None and r.random() < 0.5:
            del document["reference"]
        if r.random() < 0.3:
            document["note"] = {"unknown": [1, "two", None]}
        fields = list(document.items())
        r.shuffle(fields)
        refused = what["amount"] <= 0 and what["method"] != "VOUCHER"
        return Sent(
            "payments",
            order.encode(),
            json.dumps(dict(fields)).encode(),
            what,
            dead_letter=("payments-dlq", "book_payments") if refused else None,
        )

    def customer(self, name: str) -> Sent:
        r = self._random
        what = {
            "name": f"Name of {name}",  # does not change, so that orders do not depend on the order of the topics
            "country": r.choice(list(COUNTRIES)),
            "email": r.choice([None, f"{name}-{r.randrange(1_000)}@example.com"]),
            "credit_limit": self._amount(1_000_000),
        }
        return Sent("customers", key_of(name), self._encoder.avro("customers", what), what | {"customer": name})

    def bad(self) -> list[Sent]:
        """Records that must be sent to a dead-letter topic, and records of tests, which must not."""
        unreadable = ("shop-dlq", None)
        good = self.customer("c1").value
        made = [
            Sent("orders", b"c1", b"no frame", dead_letter=unreadable),
            Sent("orders", b"c2", b"\x00", dead_letter=unreadable),
            Sent("orders", b"c3", self.order("c3").value[:-3], dead_letter=unreadable),
            Sent("customers", b"no json", good, dead_letter=unreadable),
            Sent("customers", key_of("c5"), good[:-3], dead_letter=unreadable),
            self.order("c10", lines=0, dead_letter=True),
            self.order("c11", country="ZZ", dead_letter=True),
            self.payment("o1", "CARD", Decimal("-1.00")),
            self.payment("o1", "TRANSFER", Decimal("0.00")),
        ]
        for document in (
            b'{"id": "x1", "order": "o1"',
            b'{"id": "x2", "order": "o1", "amount": "1.00", "method": "CARD"}',
            b'{"id": "x3", "order": "o1", "paid": 1, "amount": 1.005, "method": "CARD"}',
            b'{"id": "x4", "order": "o1", "paid": 1, "amount": 1, "method": "CASH"}',
        ):
            made.append(Sent("payments", b"o1", document, dead_letter=unreadable))
        for header, number in itertools.product(("x-test", "x-replayed"), range(5)):
            made.append(Sent("orders", b"c1", f"{header} {number}".encode(), headers=((header, "1"),)))
        return made

    def _amount(self, cents_max: int) -> Decimal:
        return Decimal(self._random.randint(1, cents_max)) / 100


@dataclasses.dataclass
class Effects:
    """Everything that the application writes, by key. Times are milliseconds since 1970."""

    customer: dict = dataclasses.field(default_factory=dict)
    customer_order: dict = dataclasses.field(default_factory=dict)
    order_line: dict = dataclasses.field(default_factory=dict)
    revenue: dict = dataclasses.field(default_factory=dict)
    order_count: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    payment: dict = dataclasses.field(default_factory=dict)
    enriched: dict = dataclasses.field(default_factory=dict)  # by order
    reviews: dict = dataclasses.field(default_factory=dict)  # by order
    profiles: dict = dataclasses.field(default_factory=dict)  # by customer: in the order of the topic
    dead_letters: dict = dataclasses.field(default_factory=dict)  # by source topic, key and value
    metrics: collections.Counter = dataclasses.field(default_factory=collections.Counter)


def expect(records: Iterable[Sent]) -> Effects:
    """The effects of all these records, given in the order in which they were written."""
    effects = Effects()
    for record in records:
        if record.dead_letter:
            effects.dead_letters[record.topic, record.key, record.value] = record.dead_letter
        if record.what is None:
            continue
        if record.topic == "orders":
            _expect_order(effects, record)
        elif record.topic == "payments":
            _expect_payment(effects, record)
        else:
            _expect_customer(effects, record)
    return effects


def _expect_order(effects: Effects, record: Sent) -> None:
    order = record.what
    number, customer, country, lines = order["id"], order["customer"], order["country"], order["lines"]
    total = sum((line["amount"] for line in lines), order["shipping"])
    effects.revenue[country, _day(order["placed"]), number] = total
    effects.order_count[country] += 1
    if record.dead_letter:
        return
    risk = risk_of(customer)
    effects.customer_order[customer, order["placed"], number] = (country, total, risk)
    for line in lines:
        effects.order_line[number, line["article"]] = (line["quantity"], line["amount"])
    effects.enriched[number] = {
        "key": customer.encode(),
        "headers": {"country": country.encode(), "risk": str(risk).encode()},
        "id": number,
        "customer": customer,
        "customer_name": f"Name of {customer}",
        "country_name": COUNTRIES[country],
        "placed": order["placed"],
        "titles": [ARTICLES.get(line["article"], UNKNOWN_TITLE) for line in lines],
        "total": total,
        "risk": risk,
    }
    reviewed = total > REVIEW_ABOVE or risk >= REVIEW_RISK
    if reviewed:
        effects.reviews[number] = {
            "key": None,
            "headers": {"risk": str(risk).encode(), "reviewer": None},
            "order": number,
            "customer": customer,
            "total": total,
            "reason": "AMOUNT" if total > REVIEW_ABOVE else "RISK",
        }
    effects.metrics['shop_orders_total{next="%s"}' % ("review" if reviewed else "delivery")] += 1
    effects.metrics["shop_order_lines_count"] += 1
    effects.metrics["shop_order_lines_sum"] += len(lines)


def _expect_payment(effects: Effects, record: Sent) -> None:
    payment = record.what
    if record.dead_letter or payment["method"] == "VOUCHER":
        return
    row = (payment["paid"], payment["amount"], payment["method"], payment["reference"])
    effects.payment[payment["order"], payment["id"]] = row
    effects.metrics['shop_payments_total{method="%s"}' % payment["method"]] += 1


def _expect_customer(effects: Effects, record: Sent) -> None:
    name = record.what["customer"]
    effects.metrics["shop_customer_changes_total"] += 1
    if record.value is None:
        effects.customer.pop(name, None)
        effects.profiles.setdefault(name, []).append(None)
        return
    customer = record.what
    effects.customer[name] = tuple(customer[column] for column in ("name", "country", "email", "credit_limit"))
    profile = (customer["name"], customer["country"], None, customer["credit_limit"])
    effects.profiles.setdefault(name, []).append(profile)


class RiskService:
    """The HTTP service that the application asks. Every 17th request fails with 503."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.failures = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(handler) -> None:
                number = next(numbers)
                text = risk_text(handler.path.rsplit("/", 1)[1])
                if number % FAILS_EVERY == 0:
                    self.failures += 1
                    handler.answer(503, "try again")
                elif text is None:
                    handler.answer(404, "no such customer")
                else:
                    handler.answer(200, text)

            def answer(handler, status: int, text: str) -> None:
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(text)))
                handler.end_headers()
                handler.wfile.write(text.encode())

            def log_message(handler, *_arguments) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, _request, _address) -> None:
                """A member that is killed leaves its connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def program() -> str:
    """The path of what was built for the tests."""
    path = BUILD / "dev" / "examples" / "shop" / "shop"
    if not path.exists():
        raise FileNotFoundError(f"{path} was not built; ./dev test integration builds it")
    return str(path)


class Member:
    """A process of the example with the example's own configuration file, and the addresses of the servers."""

    def __init__(self, name: str, folder: pathlib.Path, servers: tuple, risk_url: str):
        kafka, cassandra, registry = servers
        self.admin_port = free_port()
        config = yaml.safe_load((EXAMPLE / "config.yaml").read_text())
        config["kafka"] |= {
            "bootstrap_servers": kafka.bootstrap,
            "group": folder.name,
            "properties": {"session.timeout.ms": str(SESSION_TIMEOUT_MS)},
        }
        config["registry"]["urls"] = [registry.url]
        config["cql"] |= {"contact_points": [cassandra.contact_point], "datacenter": cassandra.datacentre}
        config["lookups"][0]["retry_for"] = f"{CUSTOMER_WAIT_S}s"
        config["http"][0]["url"] = risk_url
        config["engine"]["workers"] = 1
        config["admin"] = {"port": self.admin_port}
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        self.process = Process(name, folder, [program(), "run", str(file)])

    def wait_until_ready(self) -> None:
        self.process.wait_ready(self._is_ready, READY_TIMEOUT_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.stop(STOP_TIMEOUT_S)
        return self.process.exit_code

    def metrics(self) -> dict[str, float]:
        """Metrics of the application, by name and labels."""
        found = samples(self._get("/metrics").decode())
        return {name: value for name, value in found.items() if name.startswith("shop_")}

    def _is_ready(self) -> bool:
        try:
            self._get("/readyz")
            return True
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
            return answer.read()


def prepare(kafka: KafkaAccess, cassandra: CassandraAccess) -> None:
    """Fresh tables and topics, and what other applications fill in."""
    session = cassandra.session()
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
    ddl = re.sub(r"--.*", "", (EXAMPLE / "schema.cql").read_text())
    for statement in filter(None, (part.strip() for part in ddl.split(";"))):
        session.execute(statement)
    for table, key, column, rows in (("country", "code", "name", COUNTRIES), ("article", "id", "title", ARTICLES)):
        insert = session.prepare(f"INSERT INTO {KEYSPACE}.{table} ({key}, {column}) VALUES (?, ?)")
        execute_concurrent_with_args(session, insert, list(rows.items()))
    session.cluster.shutdown()
    existing = kafka.admin().list_topics(timeout=REQUEST_TIMEOUT_S).topics
    for topic, partitions in TOPICS.items():
        if topic in existing:
            kafka.delete_topic(topic)
        kafka.create_topic(topic, partitions, config={"cleanup.policy": "compact"} if topic in COMPACTED else None)


class Writer:
    """Writes records in order, and knows how many it has handed to the producer."""

    def __init__(self, kafka: KafkaAccess):
        self._producer = Producer(kafka.client_config({"enable.idempotence": True, "linger.ms": 5}))
        self._refused: list[str] = []
        self.begun = 0

    def write(self, records: list[Sent], rate: float | None = None) -> None:
        """`rate` is records per second; None is as fast as it goes. Returns when Kafka has all of them."""
        started = time.monotonic()
        for number, record in enumerate(records):
            if rate and (ahead := number / rate - (time.monotonic() - started)) > 0:
                self._producer.poll(ahead)
            self.begun += 1
            self._producer.produce(
                record.topic, record.value, record.key, headers=list(record.headers), on_delivery=self._delivered
            )
            self._producer.poll(0)
        unsent = self._producer.flush(REQUEST_TIMEOUT_S)
        if unsent or self._refused:
            raise RuntimeError(f"{unsent} records unsent, {len(self._refused)} refused: {self._refused[:3]}")

    def _delivered(self, error, _message) -> None:
        if error:
            self._refused.append(error.str())


def wait_until_committed(
    kafka: KafkaAccess, group: str, topics: Iterable[str], still_working: Callable[[], bool] = lambda: True
) -> None:
    deadline = time.monotonic() + FINISH_TIMEOUT_S
    for topic in topics:
        while (missing := lag(kafka, group, topic)) > 0:
            if not still_working() or time.monotonic() > deadline:
                raise RuntimeError(f"{missing} records of {topic} are not committed")
            time.sleep(PAUSE_S)


def read_topic(kafka: KafkaAccess, topic: str) -> list:
    """The messages of a topic now, in the order of each partition."""
    config = {"group.id": "shop-verifier", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(kafka.client_config(config))
    found = []
    try:
        partitions = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        unfinished = set(partitions)
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        while unfinished:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic} could not be read to its end within {REQUEST_TIMEOUT_S:.0f} s")
            for message in consumer.consume(BATCH, PAUSE_S):
                if not message.error():
                    found.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(message.partition())
                else:
                    raise RuntimeError(f"{topic}: {message.error().str()}")
        return found
    finally:
        consumer.close()


class Decoder:
    """Framed Avro by the schemas of the registry."""

    def __init__(self, registry: RegistryAccess):
        self._client = registry.client()
        self._schemas: dict[int, object] = {}

    def read(self, framed: bytes) -> dict:
        magic, schema_id = FRAME.unpack(framed[: FRAME.size])
        assert magic == 0, f"magic byte {magic}"
        if schema_id not in self._schemas:
            text = self._client.get_schema(schema_id).schema_str
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(text))
        datum = io.BytesIO(framed[FRAME.size :])
        record = fastavro.schemaless_reader(datum, self._schemas[schema_id], None)
        assert not datum.read(1), "bytes after the Avro datum"
        return record


@dataclasses.dataclass
class Emits:
    """The records of an output, by order: the first, and how many more there are."""

    first: dict = dataclasses.field(default_factory=dict)
    repeats: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    conflicts: list = dataclasses.field(default_factory=list)  # repetitions that differ, or have another millrace-id
    ids: dict = dataclasses.field(default_factory=dict)


def read_emits(kafka: KafkaAccess, decoder: Decoder, topic: str, name: str, headers: tuple[str, ...]) -> Emits:
    """`name` is the field that holds the order."""
    found = Emits()
    for message in read_topic(kafka, topic):
        all_headers = dict(message.headers() or [])
        record = {"key": message.key(), "headers": {header: all_headers.get(header, "absent") for header in headers}}
        record |= decoder.read(message.value())
        if "placed" in record:
            record["placed"] = _milliseconds(record["placed"].replace(tzinfo=None))
        order, made_by = record[name], all_headers.get("millrace-id")
        if order not in found.first:
            found.first[order], found.ids[order] = record, made_by
            continue
        found.repeats[order] += 1
        if found.first[order] != record or found.ids[order] != made_by:
            found.conflicts.append(order)
    return found


def read_profiles(kafka: KafkaAccess, decoder: Decoder) -> dict[str, list]:
    """The profiles of each customer in the order of the topic; None is a tombstone."""
    found: dict[str, list] = {}
    for message in read_topic(kafka, "customer_profiles"):
        profile = None
        if message.value() is not None:
            record = decoder.read(message.value())
            profile = tuple(record[field] for field in ("name", "country", "email", "credit_limit"))
        found.setdefault(decoder.read(message.key())["id"], []).append(profile)
    return found


def read_dead_letters(kafka: KafkaAccess) -> dict[tuple, tuple]:
    """The dead-letter topic and the processor, by source topic, key and value."""
    found = {}
    for topic in ("shop-dlq", "payments-dlq"):
        for message in read_topic(kafka, topic):
            headers = dict(message.headers())
            processor = headers.get("millrace.dlq.processor")
            source = headers["millrace.dlq.topic"].decode()
            found[source, message.key(), message.value()] = (topic, processor.decode() if processor else None)
    return found


def read_counts(cassandra: CassandraAccess) -> dict[str, int]:
    session = cassandra.session()
    rows = {row.country: row.orders for row in session.execute(f"SELECT country, orders FROM {KEYSPACE}.order_count")}
    session.cluster.shutdown()
    return rows


def read_tables(cassandra: CassandraAccess) -> Effects:
    found = Effects()
    session = cassandra.session()
    session.set_keyspace(KEYSPACE)
    for row in session.execute("SELECT * FROM customer"):
        found.customer[row.id] = (row.name, row.country, row.email, row.credit_limit)
    for row in session.execute("SELECT * FROM customer_order"):
        key = (row.customer, _milliseconds(row.placed), row.id)
        found.customer_order[key] = (row.country, row.total, row.risk)
    for row in session.execute("SELECT * FROM order_line"):
        found.order_line[row.order_id, row.article] = (row.quantity, row.amount)
    for row in session.execute("SELECT * FROM revenue"):
        found.revenue[row.country, row.day.date(), row.order_id] = row.amount
    for row in session.execute("SELECT * FROM payment"):
        found.payment[row.order_id, row.id] = (_milliseconds(row.paid), row.amount, row.method, row.reference)
    session.cluster.shutdown()
    return found


def _day(milliseconds: int) -> datetime.date:
    return (EPOCH + datetime.timedelta(milliseconds=milliseconds)).date()


def _iso(milliseconds: int) -> str:
    moment = EPOCH + datetime.timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds") + "Z"


def _milliseconds(moment: datetime.datetime) -> int:
    past = moment - EPOCH
    return past.days * 86_400_000 + past.seconds * 1_000 + past.microseconds // 1_000
