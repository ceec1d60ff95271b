"""A group of processes, the faults of a seed, and the facts that a verdict needs."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import random
import time
from typing import Callable

from integration import navigation
from integration.application import Application
from servers.kafka import Kafka
from servers.process import ServerError

from . import load, plan, verdict
from .member import Member, all_lives
from .plan import Event
from .verdict import Exposure, Place
from .watch import Group, Watch

PROTOCOLS = ("classic", "consumer")
WORKERS = 1
SESSION_TIMEOUT_MS = 8_000
DRAIN_MS = 60_000  # of tests: a starved machine must not make a clean stop an unclean one
HEAL_TIMEOUT_S = 240.0
RATE = 250.0
SETTLE_S = 3.0  # between the last event and the end of the load
Say = Callable[[str], None]


def default_seed() -> int:
    return random.SystemRandom().randrange(1, 1_000_000)


@dataclasses.dataclass
class Setup:
    """The system under test, and its observers."""

    title: dict[str, str]
    members: list[Member]
    client_config: dict
    group: str
    topics: list[str]
    dead_letter_topic: str
    broker: Kafka | None = None  # one that may be restarted
    servers: tuple | None = None  # of the example: where its effects are
    seed: int = 1
    rate: float = RATE
    transaction: int = 0  # records of one transaction of the load; 0: none


def example(
    servers: tuple,
    folder: pathlib.Path,
    processes: int,
    protocol: str,
    seed: int,
    rate: float,
    workers: int = WORKERS,
    transaction: int = 0,
) -> Setup:
    """The navigation example as a group on fresh tables and topics."""
    kafka, cassandra, registry = servers
    navigation.reset(kafka, cassandra)
    navigation.prepare(kafka, cassandra, [])
    group = f"faults-{folder.name}"
    members = []
    for number in range(1, processes + 1):
        application = Application(folder / f"member-{number}", kafka, cassandra, registry, group)
        properties = {key: value for key, value in application.config["kafka"]["properties"].items()}
        properties.pop("session.timeout.ms", None)
        if protocol == "classic":
            properties["session.timeout.ms"] = str(SESSION_TIMEOUT_MS)
        application.configure("kafka", protocol=protocol, properties=properties, start_from="earliest")
        application.configure(
            "engine", workers=workers, drain_timeout=f"{DRAIN_MS}ms", revoke_drain_timeout=f"{DRAIN_MS}ms"
        )
        process = application.process
        members.append(Member(f"member-{number}", application.folder, process.command, application.admin_port))
    title = {
        "application": f"the navigation example, {processes} processes of {workers} workers, group protocol {protocol}",
        "load": f"{rate:.0f} records/s over {navigation.TOPICS[navigation.SOURCE_TOPIC]} partitions, seed {seed}"
        + (f", in transactions of {transaction}" if transaction else ""),
    }
    topics = [navigation.SOURCE_TOPIC]
    letters = navigation.DEAD_LETTER_TOPIC
    return Setup(title, members, kafka.client_config(), group, topics, letters, kafka, servers, seed, rate, transaction)


class Chaos:
    def __init__(self, setup: Setup, say: Say = print):
        self.setup = setup
        self.exposures: list[Exposure] = []
        self.happened: collections.Counter = collections.Counter()
        self.troubles: list[str] = []
        self._say = say
        self._group: Group | None = None
        self._began = 0.0

    def run(self, happening: Callable[["Chaos"], None]) -> tuple[str, verdict.Verdict]:
        """The members under load while `happening` plays; then recovery, clean stops and the check. The report."""
        setup = self.setup
        self._began = time.monotonic()
        writing = load.Load(setup.servers, setup.seed, setup.rate, setup.transaction) if setup.servers else None
        watched = Group(setup.client_config, setup.group, setup.topics)
        self._group = Group(setup.client_config, setup.group, setup.topics)
        letters = Group(setup.client_config, setup.group, [setup.dead_letter_topic])
        letters_before = sum(letters.patiently(letters.ends).values())
        watch = Watch(watched, setup.members, self.exposures)
        try:
            for member in setup.members:
                member.start()
            watch.start()
            if writing:
                writing.start()
            happening(self)
            time.sleep(SETTLE_S)
            self._heal()
            produced = writing.finish() if writing else 0
            lag = self._wait_for_lag()
            for member in setup.members:
                member.look()
                if member.running:
                    member.stop()
        finally:
            for member in setup.members:
                member.kill()
            if watch.is_alive():
                watch.stop()
        facts = verdict.Facts(
            events=self.happened,
            lives=all_lives(setup.members),
            exposures=self.exposures,
            regressions=watch.regressions,
            looks=watch.looks,
            standstill_s=watch.standstill_s,
            uncommitted_most=watch.uncommitted_most,
            lag=lag,
            dead_lettered=sum(letters.patiently(letters.ends).values()) - letters_before,
            dead_letters_expected=setup.servers is None,
            troubles=self.troubles,
        )
        effects = load.effects_of(setup.servers, setup.seed, produced) if setup.servers else None
        judged = verdict.judge(facts, effects)
        title = setup.title | {"duration": f"{time.monotonic() - self._began:.0f} s"}
        return verdict.report(title, facts, effects, judged), judged

    def play(self, event: Event) -> None:
        time.sleep(event.gap_s)
        self._note_ends()
        self.happened[event.kind] += 1
        if event.kind in ("broker-stop", "broker-kill"):
            self._tell(f"{event.kind} for {event.lasts_s:.1f} s")
            self.restart_broker(kill=event.kind == "broker-kill", down_s=event.lasts_s)
            return
        member = self.setup.members[event.member]
        self._tell(f"{event.kind} {member.name} for {event.lasts_s:.1f} s")
        if not member.running:
            self._start(member)
        if event.kind in ("nap", "sleep"):
            self.pause(member, event.lasts_s, exposes=event.kind == "sleep")
            return
        for _ in range(event.rounds):
            if event.kind == "kill":
                self.kill(member)
            elif event.kind == "abort":
                self.abort(member)
            elif member.running:
                member.look()
                member.stop()
            time.sleep(event.lasts_s / event.rounds)
            self._start(member)

    def kill(self, member: Member) -> None:
        with self._exposure(f"SIGKILL of {member.name}", member):
            member.look()
            member.kill()

    def abort(self, member: Member) -> None:
        with self._exposure(f"second SIGTERM to {member.name}", member):
            member.look()
            member.abort()

    def pause(self, member: Member, lasts_s: float, exposes: bool) -> None:
        if not exposes:
            member.pause()
            time.sleep(lasts_s)
            member.resume()
            return
        with self._exposure(f"sleep of {member.name}", member):
            member.pause()
            time.sleep(lasts_s)
            member.resume()
            time.sleep(1.0)  # what it had fetched before it slept is below the ends that are read now

    def restart_broker(self, kill: bool, down_s: float) -> None:
        broker = self.setup.broker
        with self._exposure("restart of the broker", None):
            if kill:
                broker.kill()
            else:
                broker.stop()
            time.sleep(down_s)
            broker.start()

    def _start(self, member: Member) -> None:
        try:
            member.start()
        except ServerError as failure:
            self.troubles.append(f"{member.name} did not start: {str(failure).splitlines()[0]}")
            member.kill()

    def _heal(self) -> None:
        self._note_ends()
        if self.setup.broker:
            self.setup.broker.start()
        for member in self.setup.members:
            if member.running:
                member.resume()
            else:
                self._start(member)

    def _note_ends(self) -> None:
        for member in self.setup.members:
            if member.note_end():
                self._tell(f"{member.name} ended unexpectedly")

    def _wait_for_lag(self) -> int:
        """The lag of the records present now, which are all unless another process writes: 0, or the rest when the
        time is over."""
        group = self._group
        ends = group.patiently(group.ends)
        deadline = time.monotonic() + HEAL_TIMEOUT_S
        while (lag := group.patiently(lambda: group.lag(ends))) > 0 and time.monotonic() < deadline:
            self._note_ends()
            time.sleep(0.5)
        if lag:
            for member in self.setup.members:
                self._say(member.account())
        return lag

    def _exposure(self, what: str, member: Member | None) -> "_Exposing":
        return _Exposing(self, what, member)

    def owned_by_others(self, member: Member | None) -> set[Place]:
        if member is None:
            return set()
        others = (other.partitions() for other in self.setup.members if other is not member)
        return set().union(*(owned for owned in others if owned))

    @property
    def group(self) -> Group:
        return self._group

    def _tell(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._began:7.1f} s  {what}")


class _Exposing:
    """Around a fault: the offsets it exposes, of what no other member had before and after."""

    def __init__(self, chaos: Chaos, what: str, member: Member | None):
        self._chaos = chaos
        self._exposure = Exposure(what, time.monotonic(), {}, (member.name,) if member else ())
        self._member = member

    def __enter__(self) -> None:
        self._others = self._chaos.owned_by_others(self._member)
        self._committed = self._chaos.group.patiently(self._chaos.group.committed)
        # Known before the fault, so that the watch does not count its consequences as a fault of their own.
        self._exposure.ranges = {}
        self._chaos.exposures.append(self._exposure)

    def __exit__(self, *failure: object) -> None:
        if failure[0]:
            return
        ends = self._chaos.group.patiently(self._chaos.group.ends)
        spared = self._others & self._chaos.owned_by_others(self._member)
        self._exposure.at = time.monotonic()
        self._exposure.ranges = {place: (begin, begin) for place, begin in self._committed.items() if place not in spared}
        self._exposure.reach(ends)


def planned(seed: int, events: int, broker: bool) -> Callable[[Chaos], None]:
    def happening(chaos: Chaos) -> None:
        going_on = plan.events(seed, len(chaos.setup.members), broker)
        for _ in range(events):
            chaos.play(next(going_on))

    return happening


def timed(seed: int, seconds: float, broker: bool) -> Callable[[Chaos], None]:
    def happening(chaos: Chaos) -> None:
        over = time.monotonic() + seconds
        for event in plan.events(seed, len(chaos.setup.members), broker):
            if time.monotonic() > over:
                return
            chaos.play(event)

    return happening
