"""What must hold after a run, computed from facts that were gathered outside of the product. Pure."""

from __future__ import annotations

import collections
import dataclasses
from typing import Callable, Iterable

from .member import REBALANCES, Life

Place = tuple[str, int]  # topic, partition
SHOWN_MAX = 10
LEARNT_WITHIN_S = 20.0


@dataclasses.dataclass
class Exposure:
    """A fault, and the offsets that may be worked on again because of it: from the committed offset before it to the
    end of the log after it, or when the process learnt of it, of the partitions that it had. More is a defect."""

    what: str
    at: float  # monotonic seconds
    ranges: dict[Place, tuple[int, int]]
    members: tuple[str, ...] = ()  # those it happened to; none: all of them

    @property
    def records(self) -> int:
        return sum(end - begin for begin, end in self.ranges.values())

    def shakes(self, life: Life) -> bool:
        """Whether that life may learn during its stop that it has lost partitions, and so abandon records."""
        return self.concerns(life.member) and life.ended_at - self.at < LEARNT_WITHIN_S

    def concerns(self, member: str) -> bool:
        return not self.members or member in self.members

    def reach(self, ends: dict[Place, int]) -> None:
        self.ranges = {place: (begin, max(end, ends[place])) for place, (begin, end) in self.ranges.items()}

    def covers(self, place: Place, offset: int) -> bool:
        begin, end = self.ranges.get(place, (0, 0))
        return begin <= offset < end


@dataclasses.dataclass
class Facts:
    events: collections.Counter
    lives: list[Life]
    exposures: list[Exposure]
    regressions: list[str]
    looks: int
    standstill_s: float
    uncommitted_most: int
    lag: int  # of what was there when the load and the faults had ended, after some time
    dead_lettered: int
    dead_letters_expected: bool = False  # of another application: counted, without a verdict
    troubles: list[str] = dataclasses.field(default_factory=list)  # what kept the run from its plan


@dataclasses.dataclass
class Effects:
    """Of records whose effects can be computed: what the tables and topics say."""

    produced: int
    lost: int
    wrong: int
    unexpected: int
    repeats: dict[tuple[Place, int], int]  # of a source record, by place and offset: surplus downstream records
    differences: list[str]

    @property
    def repeated(self) -> int:
        return sum(self.repeats.values())


@dataclasses.dataclass
class Verdict:
    violations: list[str]
    bound: int  # records that may be repeated

    @property
    def passed(self) -> bool:
        return not self.violations


def judge(facts: Facts, effects: Effects | None) -> Verdict:
    violations = [*facts.troubles, *_exits(facts.lives, facts.exposures)]
    violations += [f"the committed offset of {where}" for where in facts.regressions]
    if facts.looks == 0:
        violations.append("the group was never observed from outside; the run proves nothing")
    if facts.lag:
        violations.append(f"{facts.lag} records were not committed after recovery")
    if facts.dead_lettered and not facts.dead_letters_expected:
        violations.append(f"{facts.dead_lettered} records were dead-lettered without cause")
    given_up = sum(_given_up(life) for life in facts.lives)
    bound = sum(exposure.records for exposure in facts.exposures) + given_up
    if effects:
        violations += _wrong_effects(effects)
        violations += _repeats_without_cause(effects, facts.exposures, given_up)
        if not facts.exposures and given_up == 0:
            violations += _accounting_of_a_clean_run(effects, facts.lives)
    return Verdict(violations, bound)


def _exits(lives: Iterable[Life], exposures: list[Exposure]) -> Iterable[str]:
    for life in lives:
        shaken = any(exposure.shakes(life) for exposure in exposures)
        if life.ending == "itself":
            yield f"{life.member} ended unexpectedly with code {life.exit_code}"
        elif not life.ending:
            yield f"{life.member} was never stopped"
        elif life.ending == "kill":
            continue
        elif life.accounting is None:
            yield f"{life.member} ended after SIGTERM with code {life.exit_code} without a `stopped` event"
        elif not life.balanced:
            yield f"{life.member}: record accounting mismatch in its `stopped` event: {life.accounting}"
        elif life.exit_code != 0 and not (
            life.exit_code == 1 and _given_up(life) > 0 and (shaken or life.ending == "abort")
        ):
            yield f"{life.member}: exit code {life.exit_code} after {life.ending}, counts {life.accounting}"


def _given_up(life: Life) -> int:
    """Records that are worked on again by its own account: unfinished, or finished and not committed."""
    if life.accounting is not None:
        return life.accounting["abandoned"] + life.accounting["uncommitted"]
    return int(life.seen.get("millrace_records_abandoned_total", 0))


def _wrong_effects(effects: Effects) -> Iterable[str]:
    if effects.produced == 0:
        yield "nothing was produced; the run proves nothing"
    for what in ("lost", "wrong", "unexpected"):
        if count := getattr(effects, what):
            yield f"{count} effects are {what}"
    yield from effects.differences[:SHOWN_MAX]


def _repeats_without_cause(effects: Effects, exposures: list[Exposure], given_up: int) -> Iterable[str]:
    """Each repeat needs a fault of its own that exposed this very offset; what was given up may be repeated once."""
    unexplained = []
    for (place, offset), repeats in effects.repeats.items():
        causes = sum(exposure.covers(place, offset) for exposure in exposures)
        unexplained += [f"{place[0]}/{place[1]} offset {offset}"] * max(repeats - causes, 0)
    if len(unexplained) > given_up:
        yield f"{len(unexplained)} records were repeated without a cause, for example {', '.join(unexplained[:SHOWN_MAX])}"


def _accounting_of_a_clean_run(effects: Effects, lives: list[Life]) -> Iterable[str]:
    done = sum(life.accounting["done"] for life in lives if life.accounting)
    if done != effects.produced:
        yield f"{done} records were done according to the `stopped` events, and {effects.produced} were produced"


def repeats_by_offset(
    event_ids: Iterable, offsets_of: Callable[[int], tuple[Place, int]], repeats: dict
) -> dict[tuple[Place, int], int]:
    """`repeats` by event id → by place and offset; event ids come in the order of production."""
    return {offsets_of(number): repeats[event] for number, event in enumerate(event_ids) if event in repeats}


def report(title: dict[str, str], facts: Facts, effects: Effects | None, verdict: Verdict) -> str:
    """For a person, and for a release."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(facts.events.items())) or "none"
    endings = collections.Counter(life.ending for life in facts.lives)
    rebalances = ", ".join(f"{sum(life.rebalances(kind) for life in facts.lives)} {kind}" for kind in REBALANCES)
    rows = dict(title)
    rows["events"] = f"{facts.events.total()}: {kinds}"
    ended_by = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
    rows["starts"] = f"{len(facts.lives)}; ended by {ended_by}"
    rows["rebalances"] = rebalances
    stood = f"{facts.standstill_s:.0f} s"
    rows["stall"] = f"at most {stood} during which the committed offset of a partition stalled while records waited"
    rows["uncommitted"] = f"at most {facts.uncommitted_most} records in the group, as reported by the members"
    if effects:
        verified = effects.produced - effects.lost
        counts = f"{effects.lost} lost, {effects.wrong} wrong, {effects.unexpected} unexpected"
        rows["records"] = f"{effects.produced} produced, {verified} verified, {counts}"
        rows["repeated"] = f"{effects.repeated}; the faults of this run allow {verdict.bound}"
    rows["dead letters"] = str(facts.dead_lettered)
    rows["lag"] = f"{facts.lag} at the end"
    rows["offsets"] = f"committed offsets went back {len(facts.regressions)} times in {facts.looks} polls"
    rows["verdict"] = "PASSED" if verdict.passed else f"FAILED, {len(verdict.violations)} violations"
    lines = [f"{name:<13}{value}" for name, value in rows.items()]
    return "\n".join([*lines, *(f"  - {violation}" for violation in verdict.violations)])
