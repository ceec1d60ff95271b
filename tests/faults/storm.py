"""The long form: three processes, thirty events of a seed, restarts of the broker. Collected when it is named."""

from __future__ import annotations

import os
import pathlib

import pytest

from faults import chaos

PROCESSES = 3
EVENTS = 30
SEED = int(os.environ.get("MILLRACE_FAULTS_SEED", 0)) or chaos.default_seed()


@pytest.mark.parametrize("protocol", chaos.PROTOCOLS)
def test_thirty_faults_lose_nothing_and_repeat_no_more_than_they_may(
    stack: tuple, run_folder: pathlib.Path, protocol: str
):
    setup = chaos.example(stack, run_folder / f"storm-{protocol}", PROCESSES, protocol, SEED, chaos.RATE)
    running = chaos.Chaos(setup)
    report, verdict = running.run(chaos.planned(SEED, EVENTS, broker=True))
    print(report)
    (run_folder / f"storm-{protocol}.txt").write_text(report + "\n")
    assert verdict.passed, f"seed {SEED}\n{report}"
    assert running.happened.total() == EVENTS
