"""CPU time per request: rounds in which each contestant has a turn, so that a machine that others use too disturbs all
alike. Ratios are medians of the rounds' ratios."""

from __future__ import annotations

import argparse
import pathlib
import random
import statistics
from collections.abc import Callable

from bars import Bars
from serving import Broken, Server, measured

PLAIN_MAX, TLS_MAX, LZ4_MAX, TABLETS_MAX, KIND_MAX = 0.25, 0.35, 0.5, 1.10, 1.3
LARGE_NOTE_BYTES = 1_000
CLUSTER = ["--nodes", "3", "--shards", "2", "--tokens", "64", "--replication", "2"]
BATCHES = (1, 2, 10)

Rounds = dict[str, list[dict]]


def interleaved(rounds: int, contestants: dict[str, Callable[[], dict]]) -> Rounds:
    """Each contestant once per round, in the opposite order every other round."""
    found: Rounds = {name: [] for name in contestants}
    for number in range(rounds):
        turn = list(contestants.items())
        for name, measure in turn if number % 2 == 0 else reversed(turn):
            found[name].append(measure())
    return found


def ratio(rounds: Rounds, of: str, to: str) -> float:
    return statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(rounds[of], rounds[to], strict=True))


def medians(rounds: Rounds) -> dict[str, dict]:
    return {
        name: {key: round(statistics.median(one[key] for one in all_of_it), 4) for key in all_of_it[0]}
        for name, all_of_it in rounds.items()
    }


def show(title: str, rows: dict[str, dict], ratios: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, of in rows.items():
        parts = f", {of['worker_cpu_us']:.3f} of them the worker's" if "worker_cpu_us" in of else ""
        print(f"  {name:<24}{of['cpu_us']:>8.3f} us CPU{parts}; {of['requests_per_second']:,.0f} requests/s")
    for name, value in ratios.items():
        print(f"  {name:<44}{value:>8.2f}", flush=True)


def large_note() -> str:
    """Text that compresses as rows do: words that repeat, between numbers that do not."""
    words = random.Random(1)
    parts = []
    while sum(map(len, parts)) < LARGE_NOTE_BYTES:
        parts.append(f'{{"page": "/offers/{words.randrange(10**6)}", "seconds": {words.random():.3f}}}, ')
    return "".join(parts)[:LARGE_NOTE_BYTES]


class Cpu:
    def __init__(self, arguments: argparse.Namespace, program: str, peer: str | None, folder: pathlib.Path, bars: Bars):
        self.with_arguments, self.program, self.peer, self.folder, self.bars = arguments, program, peer, folder, bars

    def _load(self, server: Server, kind: str, *more: str, requests: int = 0, program: list[str] | None = None):
        size = [str(requests or self.with_arguments.requests), str(self.with_arguments.in_flight)]
        command = [*(program or [self.program, "load"]), server.address, kind, *size, *more]
        return lambda: measured(command)

    def _against_peer(self, name: str, asked: float, title: str, serve: list[str], connect: list[str]) -> dict:
        results: dict = {}
        with Server(self.program, *serve) as server:
            for kind in ("insert", "select"):
                contestants = {"millrace": self._load(server, kind, *connect)}
                if self.peer:
                    contestants["rust"] = self._load(server, kind, *connect, program=[self.peer])
                rounds = interleaved(self.with_arguments.rounds, contestants)
                results[kind] = medians(rounds)
                ratios = {}
                if self.peer:
                    results[kind]["ratio"] = value = ratio(rounds, "millrace", "rust")
                    ratios["millrace to rust"] = value
                    self.bars.at_most(f"{name}: {kind}, CPU against Rust", asked, value)
                show(f"{title}, {kind}:", {key: results[kind][key] for key in contestants}, ratios)
            results["counters"] = server.counters()
        return results

    def plain(self) -> dict:
        return self._against_peer("plain", PLAIN_MAX, "One node, no TLS", [], [])

    def tls(self) -> dict:
        serve = ["--tls-certificate", str(self.folder / "node.pem"), "--tls-key", str(self.folder / "node.key")]
        return self._against_peer("tls", TLS_MAX, "One node, TLS", serve, ["--tls-ca", str(self.folder / "ca.pem")])

    def lz4(self) -> dict:
        note = ["--note", large_note()]
        title = f"One node, lz4, notes of {LARGE_NOTE_BYTES} bytes"
        results = self._against_peer("lz4", LZ4_MAX, title, note, ["--compression", "lz4", *note])
        if not results["counters"]["compressed_in"]:
            raise Broken("nothing was compressed")
        return results

    def tablets(self) -> dict:
        """Tablets against vnodes in one cluster."""
        results: dict = {}
        with Server(self.program, *CLUSTER) as server:
            for kind in ("insert", "select"):
                keyspaces = {"vnodes": "bench", "tablets": "bench_tablets"}
                contestants = {name: self._load(server, kind, "--keyspace", each) for name, each in keyspaces.items()}
                rounds = interleaved(self.with_arguments.rounds, contestants)
                results[kind] = medians(rounds)
                results[kind]["ratio"] = value = ratio(rounds, "tablets", "vnodes")
                self.bars.at_most(f"tablets as plain: {kind}, CPU against vnodes", TABLETS_MAX, value)
                title = f"Three nodes of two shards, two replicas, {kind}:"
                show(title, {name: results[kind][name] for name in keyspaces}, {"tablets to vnodes": value})
            results["counters"] = counters = server.counters()
        wrong = counters["misrouted_node"] + counters["misrouted_shard"]
        total = wrong + counters["routed"]
        print(f"  requests that came to another node or shard: {wrong} of {total}")
        return results

    def statements(self) -> dict:
        """Other kinds of statements against a plain INSERT; all bind the same three values per row."""
        with Server(self.program) as server:
            contestants = {kind: self._load(server, kind) for kind in ("insert", "conditional", "traced")}
            for rows in BATCHES:
                requests = max(1, self.with_arguments.requests // rows)
                contestants[f"batch of {rows}"] = self._load(server, "batch", "--rows", str(rows), requests=requests)
            rounds = interleaved(self.with_arguments.rounds, contestants)
        results: dict = medians(rounds)
        ratios = {name: ratio(rounds, name, "insert") for name in contestants if name != "insert"}
        shown = {f"{name} to insert": value for name, value in ratios.items()}
        for rows in BATCHES[1:]:
            shown[f"batch of {rows} to insert, per row"] = ratios[f"batch of {rows}"] / rows
        results["ratios"] = shown
        self.bars.at_most("conditional: UPDATE ... IF, CPU against a plain INSERT", KIND_MAX, ratios["conditional"])
        self.bars.at_most("batch: one statement, CPU against a plain INSERT", KIND_MAX, ratios["batch of 1"])
        self.bars.at_most("traced: INSERT, CPU against a plain INSERT", KIND_MAX, ratios["traced"])
        show("Kinds of statements, one node (a batch is one request):", medians(rounds), shown)
        return results
