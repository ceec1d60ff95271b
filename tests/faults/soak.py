"""Steady load for a long time: do memory, descriptors or latency drift?"""

from __future__ import annotations

import dataclasses
import pathlib
import time

from integration import navigation

from . import chaos, load
from .chaos import Say
from .slope import Trend, quantile
from .watch import Group

LOOK_EVERY_S = 5.0
WARM_UP_SHARE = 0.25
WARM_UP_S_MAX = 900.0
LOOKS_MIN = 20
MIB = float(1 << 20)
END_TO_END = "millrace_record_e2e_seconds"
MEMORY_GROWTH_SHARE, MEMORY_GROWTH_MIN = 0.05, 4 * MIB
DESCRIPTOR_GROWTH = 1.5
LATENCY_GROWTH_SHARE = 0.10
RATE = 200.0


@dataclasses.dataclass
class Look:
    at: float
    metrics: dict[str, float]


@dataclasses.dataclass
class Drift:
    name: str
    trend: Trend
    allowed: float
    unit: str
    scale: float = 1.0
    judged: bool = True

    @property
    def bad(self) -> bool:
        return self.judged and self.trend.rises(self.allowed)

    def __str__(self) -> str:
        trend, scale = self.trend, self.scale
        per_hour = trend.per_second * 3600 / scale
        verdict = "RISES" if self.bad else "steady" if self.judged else "not judged"
        return (
            f"{self.name:<13}median {trend.median / scale:.2f} {self.unit}, {per_hour:+.2f} (+- "
            f"{trend.error_per_second * 3600 / scale:.2f}) {self.unit} an hour, {trend.growth / scale:+.2f} in the "
            f"judged time of at most {self.allowed / scale:.2f}: {verdict}"
        )


def drifts(looks: list[Look], judge_latency: bool) -> list[Drift]:
    """Of the samples after the warm-up."""
    times = [look.at for look in looks]
    memory = Trend.of(times, [look.metrics["process_resident_memory_bytes"] for look in looks])
    descriptors = Trend.of(times, [look.metrics["process_open_fds"] for look in looks])
    allowed = max(memory.median * MEMORY_GROWTH_SHARE, MEMORY_GROWTH_MIN)
    found = [
        Drift("memory", memory, allowed, "MiB", MIB),
        Drift("descriptors", descriptors, DESCRIPTOR_GROWTH, "open"),
    ]
    for name, q in (("latency p50", 0.50), ("latency p99", 0.99)):
        seen = [
            (after.at, value)
            for before, after in zip(looks, looks[1:])
            if (value := quantile(END_TO_END, before.metrics, after.metrics, q)) is not None
        ]
        trend = Trend.of([at for at, _ in seen], [value for _, value in seen])
        found.append(Drift(name, trend, trend.median * LATENCY_GROWTH_SHARE, "ms", 1e-3, judge_latency))
    return found


def run(
    servers: tuple, folder: pathlib.Path, seconds: float, seed: int, rate: float, judge_latency: bool, say: Say
) -> bool:
    """Prints what was measured and the verdict, and returns it."""
    setup = chaos.example(servers, folder, 1, "classic", seed, rate)
    member = setup.members[0]
    writing = load.Load(servers, seed, rate)
    looks: list[Look] = []
    began = time.monotonic()
    member.start()
    try:
        writing.start()
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(min(LOOK_EVERY_S, seconds - passed))
            if not member.running or not writing.is_alive():
                break
            looks.append(Look(time.monotonic() - began, dict(member.look())))
        written = writing.finish()
        group = Group(setup.client_config, setup.group, setup.topics)
        ends = group.patiently(group.ends)
        deadline = time.monotonic() + chaos.HEAL_TIMEOUT_S
        while (lag := group.patiently(lambda: group.lag(ends))) > 0 and member.running and time.monotonic() < deadline:
            time.sleep(0.5)
        group.close()
        ended = member.note_end()
        life = member.lives[-1] if ended else member.stop()
    finally:
        member.kill()
    problems = []
    if life.ending != "stop" or life.exit_code != 0 or not life.balanced:
        problems.append(f"it ended by {life.ending} with code {life.exit_code}, counts {life.accounting}")
    elif life.accounting["done"] != written:
        problems.append(f"{written} records were written and {life.accounting['done']} done")
    if lag:
        problems.append(f"{lag} records were not committed")
    if letters := navigation.size(servers[0], navigation.DEAD_LETTER_TOPIC):
        problems.append(f"{letters} records were dead-lettered")
    warm = min(seconds * WARM_UP_SHARE, WARM_UP_S_MAX)
    judged = [look for look in looks if look.at >= warm and "process_open_fds" in look.metrics]
    say(f"soak         {time.monotonic() - began:.0f} s, {rate:.0f} records/s, {written} records, seed {seed}")
    say(f"judged       {len(judged)} samples after a warm-up of {warm:.0f} s")
    if len(judged) < LOOKS_MIN:
        problems.append(f"only {len(judged)} samples: the run is too short for a verdict")
    else:
        for drift in drifts(judged, judge_latency):
            say(str(drift))
            if drift.bad:
                problems.append(f"{drift.name} rises")
    for problem in problems:
        say(f"  - {problem}")
    say(f"verdict      {'FAILED' if problems else 'PASSED'}")
    return not problems
