"""The verdict itself: it accepts a correct run and finds every mutation; the seed decides the plan."""

from __future__ import annotations

import collections
import itertools

import pytest

from faults import member, plan, slope, verdict
from faults.member import Life
from faults.verdict import Effects, Exposure, Facts

PLACE = ("navigation", 3)
COUNTS = {"received": 100, "done": 90, "skipped": 5, "dead_lettered": 0, "abandoned": 5, "uncommitted": 0}
AN_OTHERS = Exposure("sleep of member-2", 1.0, {PLACE: (40, 60)}, ("member-2",))
CLEAN = {"received": 100, "done": 100, "skipped": 0, "dead_lettered": 0, "abandoned": 0, "uncommitted": 0}


def facts(**changes) -> Facts:
    right = {
        "events": collections.Counter(kill=1),
        "lives": [Life("member-1", "kill", -9), Life("member-1", "stop", 0, 2.0, CLEAN)],
        "exposures": [Exposure("SIGKILL of member-1", 1.0, {PLACE: (40, 60)})],
        "regressions": [],
        "looks": 10,
        "standstill_s": 9.0,
        "uncommitted_most": 20,
        "lag": 0,
        "dead_lettered": 0,
    }
    return Facts(**(right | changes))


def effects(**changes) -> Effects:
    right = {"produced": 100, "lost": 0, "wrong": 0, "unexpected": 0, "repeats": {(PLACE, 45): 1}, "differences": []}
    return Effects(**(right | changes))


def test_a_correct_run_passes():
    judged = verdict.judge(facts(), effects())
    assert judged.passed and judged.bound == 20
    assert "PASSED" in verdict.report({}, facts(), effects(), judged)


@pytest.mark.parametrize(
    "broken, because",
    [
        (lambda: (facts(), effects(lost=1)), "1 effects are lost"),
        (lambda: (facts(), effects(wrong=2)), "2 effects are wrong"),
        (lambda: (facts(), effects(unexpected=3)), "3 effects are unexpected"),
        (lambda: (facts(), effects(produced=0)), "nothing was produced"),
        (lambda: (facts(), effects(repeats={(PLACE, 39): 1})), "repeated without a cause, for example navigation/3 offset 39"),
        (lambda: (facts(), effects(repeats={(PLACE, 60): 1})), "repeated without a cause"),
        (lambda: (facts(), effects(repeats={(PLACE, 45): 2})), "repeated without a cause"),
        (lambda: (facts(), effects(repeats={(("navigation", 4), 45): 1})), "repeated without a cause"),
        (lambda: (facts(exposures=[]), effects()), "repeated without a cause"),
        (lambda: (facts(regressions=["navigation/3 went back from 9 to 8"]), effects()), "went back from 9 to 8"),
        (lambda: (facts(looks=0), effects()), "never observed from outside"),
        (lambda: (facts(lag=7), effects()), "7 records were not committed"),
        (lambda: (facts(dead_lettered=1), effects()), "1 records were dead-lettered"),
        (lambda: (facts(lives=[Life("m", "itself", 134)]), effects()), "ended unexpectedly with code 134"),
        (lambda: (facts(lives=[Life("m")]), effects()), "never stopped"),
        (lambda: (facts(lives=[Life("m", "stop", 0)]), effects()), "without a `stopped` event"),
        (lambda: (facts(lives=[Life("m", "stop", 1, 2.0, CLEAN)]), effects()), "exit code 1 after stop"),
        (lambda: (facts(exposures=[], lives=[Life("m", "stop", 1, 2.0, COUNTS)]), effects()), "exit code 1 after stop"),
        (lambda: (facts(lives=[Life("m", "stop", 1, 99.0, COUNTS)]), effects()), "exit code 1 after stop"),
        (lambda: (facts(exposures=[AN_OTHERS], lives=[Life("m", "stop", 1, 2.0, COUNTS)]), effects()), "exit code 1"),
        (lambda: (facts(lives=[Life("m", "abort", 134, 2.0, CLEAN)]), effects()), "exit code 134 after abort"),
        (lambda: (facts(lives=[Life("m", "stop", 0, 2.0, COUNTS | {"done": 91})]), effects()), "record accounting mismatch"),
        (
            lambda: (facts(exposures=[], lives=[Life("m", "stop", 0, 2.0, CLEAN)]), effects(produced=99, repeats={})),
            "100 records were done according to the `stopped` events, and 99 were produced",
        ),
        (lambda: (facts(troubles=["member-2 did not start"]), effects()), "member-2 did not start"),
    ],
)
def test_every_mutation_is_found(broken, because: str):
    seen, made = broken()
    judged = verdict.judge(seen, made)
    assert any(because in violation for violation in judged.violations), judged.violations
    assert "FAILED" in verdict.report({}, seen, made, judged)


def test_abandoned_records_may_be_repeated_once():
    lives = [Life("m", "stop", 0, 2.0, COUNTS)]
    five = {(PLACE, offset): 1 for offset in range(5)}
    assert verdict.judge(facts(exposures=[], lives=lives), effects(repeats=five)).passed
    six = five | {(PLACE, 5): 1}
    assert not verdict.judge(facts(exposures=[], lives=lives), effects(repeats=six)).passed


def test_uncommitted_records_may_be_repeated_once():
    lives = [Life("m", "stop", 0, 2.0, CLEAN | {"uncommitted": 5})]
    five = {(PLACE, offset): 1 for offset in range(5)}
    assert verdict.judge(facts(exposures=[], lives=lives), effects(repeats=five)).passed
    assert not verdict.judge(facts(exposures=[], lives=lives), effects(repeats=five | {(PLACE, 5): 1})).passed


def test_a_process_may_detect_a_loss_while_it_stops():
    assert verdict.judge(facts(lives=[Life("m", "stop", 1, 2.0, COUNTS)]), effects()).passed
    late = CLEAN | {"uncommitted": 5}
    assert verdict.judge(facts(lives=[Life("m", "stop", 1, 2.0, late)]), effects()).passed
    assert not verdict.judge(facts(exposures=[], lives=[Life("m", "stop", 1, 2.0, late)]), effects(repeats={})).passed


def test_dead_letters_of_another_application_are_only_counted():
    assert verdict.judge(facts(dead_lettered=9, dead_letters_expected=True), None).passed


def test_the_stopped_event_is_read_from_the_log():
    line = "level=info event=stopped received=7 done=4 skipped=1 dead_lettered=1 abandoned=1 uncommitted=2 exit=1"
    accounting, code = member.closing_counts(f"event=running\n{line}\n")
    assert list(accounting.values()) == [7, 4, 1, 1, 1, 2] and code == 1
    assert Life("m", "stop", code, 2.0, accounting).balanced
    assert member.closing_counts("event=running\n") is None


def test_metrics_are_read_by_name_and_labels():
    text = '# TYPE a counter\na_total{type="lost"} 3\nb 1.5e3\n'
    assert member.samples(text) == {'a_total{type="lost"}': 3.0, "b": 1500.0}


def test_the_seed_decides_the_plan():
    def first(seed: int, broker: bool = True) -> list[plan.Event]:
        return list(itertools.islice(plan.events(seed, 3, broker), 300))

    assert first(5) == first(5) != first(6)
    kinds = {event.kind for event in first(5)}
    assert kinds == set(plan.MEANING)
    assert {event.kind for event in first(5, broker=False)} == set(plan.WEIGHTS)
    assert {event.member for event in first(5)} == {0, 1, 2}


def test_a_leak_is_distinguished_from_noise():
    times = [float(second) for second in range(0, 600, 5)]
    noise = [(-1) ** number * 0.5 for number in range(len(times))]
    level = slope.Trend.of(times, [100.0 + n for n in noise])
    assert abs(level.growth) < 1.0 and not level.rises(allowed=1.0)
    leak = slope.Trend.of(times, [100.0 + 0.02 * t + n for t, n in zip(times, noise)])
    assert leak.growth == pytest.approx(11.9, abs=0.5) and leak.rises(allowed=5.0)
    loud = slope.Trend.of(times, [100.0 + 0.001 * t + 40 * n for t, n in zip(times, noise)])
    assert not loud.rises(allowed=0.1)


def test_latency_between_two_scrapes_is_computed_from_the_buckets():
    before = {f'e_bucket{{le="{le}"}}': count for le, count in (("0.1", 10.0), ("0.2", 10.0), ("+Inf", 10.0))}
    after = {f'e_bucket{{le="{le}"}}': count for le, count in (("0.1", 60.0), ("0.2", 110.0), ("+Inf", 110.0))}
    assert slope.quantile("e", before, after, 0.5) == pytest.approx(0.1)
    assert slope.quantile("e", before, after, 0.75) == pytest.approx(0.15)
    assert slope.quantile("e", before, before, 0.5) is None
