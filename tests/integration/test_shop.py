"""The shop example between real servers: two members, one stopped and one killed under load, and every effect of every
record."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import signal
import subprocess
import threading
from typing import Iterator

import pytest

from integration import shop
from servers.fleet import Fleet

SEED = 23
ORDERS = 1_800
RATE = 350.0  # records per second
CALM_ORDERS, CALM_PAYMENTS, CALM_CUSTOMERS = 120, 40, 20
WRITTEN_WITHIN_S = 90.0
SHOWN_MAX = 5


@dataclasses.dataclass
class Run:
    """What was written, what followed, and how the members ended."""

    expected: shop.Effects
    written_before_kill: set[str]  # orders; a record that was written later was not repeated
    early: shop.Emits  # enriched orders before the kill
    exit_codes: dict[str, int]
    service_failures: int
    calm: shop.Effects  # of the records after the load, when nobody is stopped
    calm_metrics: collections.Counter
    calm_counts: collections.Counter
    tables: shop.Effects
    counts: dict[str, int]
    enriched: shop.Emits
    reviews: shop.Emits
    profiles: dict[str, list]
    dead_letters: dict[tuple, tuple]


class Stage:
    """The servers, the service and the members of one run."""

    def __init__(self, servers: tuple, folder: pathlib.Path):
        self.kafka, self.cassandra, registry = servers
        shop.prepare(self.kafka, self.cassandra)
        self.group = folder.name
        self.records = shop.Records(shop.Encoder(registry), SEED)
        self.decoder = shop.Decoder(registry)
        self.writer = shop.Writer(self.kafka)
        self.service = shop.RiskService()
        self.members = [shop.Member(name, folder, servers, self.service.url) for name in ("first", "second")]
        self.exit_codes: dict[str, int] = {}

    def close(self) -> None:
        for member in self.members:
            member.process.kill()
        self.service.close()

    def run(self) -> Run:
        for member in self.members:
            member.process.launch()
        for member in self.members:
            member.wait_until_ready()
        customers = self.records.all_customers()
        self.writer.write(customers)
        self.finish(("customers",))
        load = self.records.load(ORDERS)
        early, before_kill = self.disturbed(load)
        self.finish(shop.SOURCES)

        metrics, counts = self.metrics(), shop.read_counts(self.cassandra)
        calm = self.records.calm(CALM_ORDERS, CALM_PAYMENTS, CALM_CUSTOMERS)
        self.writer.write(calm)
        self.finish(shop.SOURCES)
        calm_metrics = self.metrics()
        calm_metrics.subtract(metrics)
        calm_counts = collections.Counter(shop.read_counts(self.cassandra))
        calm_counts.subtract(counts)

        for member in self.members:
            self.exit_codes[f"{member.process.name} at the end"] = member.stop()
        return Run(
            expected=shop.expect([*customers, *load, *calm]),
            written_before_kill={record.what["id"] for record in before_kill if record.topic == "orders" and record.what},
            early=early,
            exit_codes=self.exit_codes,
            service_failures=self.service.failures,
            calm=shop.expect(calm),
            calm_metrics=calm_metrics,
            calm_counts=calm_counts,
            tables=shop.read_tables(self.cassandra),
            counts=shop.read_counts(self.cassandra),
            enriched=self.enriched(),
            reviews=shop.read_emits(self.kafka, self.decoder, "orders_review", "order", ("risk", "reviewer")),
            profiles=shop.read_profiles(self.kafka, self.decoder),
            dead_letters=shop.read_dead_letters(self.kafka),
        )

    def disturbed(self, load: list[shop.Sent]) -> tuple[shop.Emits, list[shop.Sent]]:
        """Writes the load; one member is stopped and the other one killed meanwhile, and both start again. Returns the
        enriched orders before the kill, and the records that were written before it."""
        first, second = self.members
        begun = self.writer.begun
        failed: list[Exception] = []

        def write() -> None:
            try:
                self.writer.write(load, RATE)
            except Exception as failure:  # reported by the thread that waits
                failed.append(failure)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            self.wait_until_written(begun + len(load) // 5, writing)
            self.exit_codes["first under load"] = first.stop()
            first.process.launch()
            first.wait_until_ready()
            self.wait_until_written(begun + len(load) // 2, writing)
            early = self.enriched()
            second.process.kill()
            self.exit_codes["second under load"] = second.process.exit_code
            before_kill = load[: self.writer.begun - begun]
            second.process.launch()
            second.wait_until_ready()
        finally:
            writing.join(WRITTEN_WITHIN_S)
        assert not writing.is_alive() and not failed, failed
        return early, before_kill

    def wait_until_written(self, count: int, writing: threading.Thread) -> None:
        while self.writer.begun < count and writing.is_alive():
            writing.join(shop.PAUSE_S)

    def enriched(self) -> shop.Emits:
        return shop.read_emits(self.kafka, self.decoder, "orders_enriched", "id", ("country", "risk"))

    def metrics(self) -> collections.Counter:
        """Of both members."""
        total: collections.Counter = collections.Counter()
        for member in self.members:
            total.update(member.metrics())
        return total

    def finish(self, topics: tuple[str, ...]) -> None:
        def working() -> bool:
            return all(member.process.running for member in self.members)

        try:
            shop.wait_until_committed(self.kafka, self.group, topics, working)
        except RuntimeError as failure:
            tails = "\n".join(member.process.log_tail() for member in self.members)
            raise RuntimeError(f"{failure}\n{tails}") from failure


@pytest.fixture(scope="module")
def shop_run(fleet: Fleet, run_folder: pathlib.Path) -> Iterator[Run]:
    stage = Stage(fleet.need("kafka", "cassandra", "registry"), run_folder / "shop")
    try:
        yield stage.run()
    finally:
        stage.close()


def difference(expected: dict, found: dict) -> list[str]:
    """The first differences, for a person; empty when there are none."""
    lost = [f"lost {key}: {expected[key]}" for key in expected.keys() - found.keys()]
    more = [f"unexpected {key}: {found[key]}" for key in found.keys() - expected.keys()]
    wrong = [
        f"wrong {key}: {found[key]}, must be {expected[key]}"
        for key in expected.keys() & found.keys()
        if expected[key] != found[key]
    ]
    return [*lost[:SHOWN_MAX], *more[:SHOWN_MAX], *wrong[:SHOWN_MAX]]


def test_statements_of_Shop_fit_its_tables():
    files = (str(shop.EXAMPLE / "config.yaml"), "--schema", str(shop.EXAMPLE / "schema.cql"))
    ended = subprocess.run([shop.program(), "validate", *files], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


class TestShop:
    def test_the_members_ended_as_they_were_asked_to(self, shop_run: Run):
        assert shop_run.exit_codes == {
            "first under load": 0,
            "second under load": -signal.SIGKILL,
            "first at the end": 0,
            "second at the end": 0,
        }

    def test_the_service_failed_now_and_then(self, shop_run: Run):
        assert shop_run.service_failures > 0

    def test_rows_of_orders(self, shop_run: Run):
        assert difference(shop_run.expected.customer_order, shop_run.tables.customer_order) == []

    def test_rows_of_order_lines(self, shop_run: Run):
        assert difference(shop_run.expected.order_line, shop_run.tables.order_line) == []

    def test_rows_of_revenue(self, shop_run: Run):
        assert difference(shop_run.expected.revenue, shop_run.tables.revenue) == []

    def test_rows_of_customers(self, shop_run: Run):
        assert difference(shop_run.expected.customer, shop_run.tables.customer) == []

    def test_deleted_customers_have_no_row(self, shop_run: Run):
        deleted = {name for name, profiles in shop_run.expected.profiles.items() if profiles[-1] is None}
        assert deleted and not deleted & shop_run.tables.customer.keys()
        again = {name for name, profiles in shop_run.expected.profiles.items() if None in profiles} - deleted
        assert again and again <= shop_run.tables.customer.keys()

    def test_rows_of_payments(self, shop_run: Run):
        assert difference(shop_run.expected.payment, shop_run.tables.payment) == []

    def test_counters_miss_no_order_and_count_only_repeated_ones_again(self, shop_run: Run):
        """A counter is not idempotent: the records that the kill repeats may count twice."""
        surplus = {country: shop_run.counts[country] - count for country, count in shop_run.expected.order_count.items()}
        assert shop_run.counts.keys() == shop_run.expected.order_count.keys()
        assert min(surplus.values()) >= 0, surplus
        assert sum(surplus.values()) <= len(shop_run.written_before_kill), surplus

    def test_counters_of_calm_records_are_exact(self, shop_run: Run):
        assert +shop_run.calm_counts == shop_run.calm.order_count

    def test_enriched_emits(self, shop_run: Run):
        assert difference(shop_run.expected.enriched, shop_run.enriched.first) == []
        assert shop_run.enriched.conflicts == [], "a repeated emit has the same content and the same millrace-id"
        assert None not in shop_run.enriched.ids.values()

    def test_emits_are_repeated_by_the_kill_only(self, shop_run: Run):
        assert not shop_run.early.repeats, "a member was stopped by SIGTERM before"
        assert shop_run.enriched.repeats.keys() <= shop_run.written_before_kill
        assert shop_run.reviews.repeats.keys() <= shop_run.written_before_kill

    def test_review_emits(self, shop_run: Run):
        assert {review["reason"] for review in shop_run.expected.reviews.values()} == {"AMOUNT", "RISK"}
        assert difference(shop_run.expected.reviews, shop_run.reviews.first) == []
        assert shop_run.reviews.conflicts == []

    def test_profile_emits(self, shop_run: Run):
        newest = {name: profiles[-1] for name, profiles in shop_run.expected.profiles.items()}
        found = {name: profiles[-1] for name, profiles in shop_run.profiles.items()}
        assert difference(newest, found) == [], "what compaction leaves"
        every = {name: set(profiles) for name, profiles in shop_run.expected.profiles.items()}
        assert difference(every, {name: set(profiles) for name, profiles in shop_run.profiles.items()}) == []

    def test_dead_letters(self, shop_run: Run):
        assert difference(shop_run.expected.dead_letters, shop_run.dead_letters) == []

    def test_metrics_of_calm_records_are_exact(self, shop_run: Run):
        found: collections.Counter = collections.Counter()
        for name, value in shop_run.calm_metrics.items():
            kind = "shop_customer_changes_total"  # whether a customer is new depends on what is cached
            found[kind if name.startswith(kind) else name] += value
        expected = shop_run.calm.metrics
        assert {name: found[name] for name in expected} == dict(expected)
