"""Scenarios in lanes: a lane has servers and a process of its own, on which its scenarios run one after the other; the
lanes run side by side. After a scenario that fails, the lane begins anew.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
from typing import Callable, Protocol, Sequence, TypeVar

import pytest

# Scenarios beyond the sample run with ./dev test --long.
WHOLE_TABLE = os.environ.get("MILLRACE_FAULTS_WHOLE_TABLE") == "yes"


class Scenario(Protocol):
    name: str
    lane: str  # scenarios of different lanes need different servers or processes
    fresh: bool  # needs servers that no other scenario has used


class Stage(Protocol):
    """What a lane has."""

    def close(self) -> None: ...


Played = TypeVar("Played", bound=Scenario)
Outcomes = dict[str, concurrent.futures.Future]


def sample(table: Sequence[Played], every: int, always: Sequence[str] = ()) -> list[Played]:
    """The whole table, or each `every`th of it and those named: the same ones in every run."""
    taken = enumerate(table)
    return [each for at, each in taken if WHOLE_TABLE or at % every == 0 or each.name in always]


def first(*values):
    """All values, or the first one: of tests that take long, and whose other values find the same."""
    return list(values) if WHOLE_TABLE else list(values[:1])


def chosen(request: pytest.FixtureRequest) -> list:
    """The scenarios of the module's tests that this session runs."""
    tests = (item for item in request.session.items if item.module is request.module)
    return [item.callspec.params["scenario"] for item in tests if "scenario" in getattr(item, "callspec", _none).params]


class _none:
    params: dict = {}


def lanes_of(scenarios: Sequence[Played], count: int) -> list[list[Played]]:
    """At least one lane for each kind, and `count` when there are enough scenarios, of about the same lengths."""
    kinds: dict[str, list[Played]] = {}
    for each in scenarios:
        kinds.setdefault(each.lane, []).append(each)
    parts = {kind: 1 for kind in kinds}
    while kinds and sum(parts.values()) < count:
        longest = max(kinds, key=lambda kind: len(kinds[kind]) / parts[kind])
        if len(kinds[longest]) <= parts[longest]:
            break
        parts[longest] += 1
    return [kinds[kind][part :: parts[kind]] for kind in kinds for part in range(parts[kind])]


def run(
    scenarios: Sequence[Played],
    count: int,
    folder: pathlib.Path,
    make: Callable[[Played, pathlib.Path], Stage],
    play: Callable[[Stage, Played], None],
) -> tuple[Outcomes, concurrent.futures.Executor]:
    """Begins; the outcomes come one by one. The executor is to be shut down."""
    outcomes: Outcomes = {each.name: concurrent.futures.Future() for each in scenarios}
    lanes = lanes_of(scenarios, count)
    executor = concurrent.futures.ThreadPoolExecutor(max(len(lanes), 1))
    for number, lane in enumerate(lanes):
        executor.submit(_run_lane, lane, folder / f"lane-{number}", outcomes, make, play)
    return outcomes, executor


def _run_lane(lane: Sequence[Played], folder: pathlib.Path, outcomes: Outcomes, make, play) -> None:
    stage, stages = None, 0
    for scenario in lane:
        try:
            if scenario.fresh:
                stage = _closed(stage)
            if stage is None:
                stages += 1
                stage = make(scenario, folder / f"stage-{stages}")
            play(stage, scenario)
            outcomes[scenario.name].set_result(None)
        except BaseException as failure:  # the test raises it
            outcomes[scenario.name].set_exception(failure)
            stage = _closed(stage)
    _closed(stage)


def _closed(stage: Stage | None) -> None:
    if stage is not None:
        stage.close()
