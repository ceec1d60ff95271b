"""Two processes in one group between real servers: a clean stop repeats nothing, a kill no more than it may."""

from __future__ import annotations

import os
import pathlib
import time

import pytest

from faults import chaos
from faults.chaos import Chaos

PROCESSES = 2
SHARE_TIMEOUT_S = 90.0
WORK_S = 4.0
SEED = int(os.environ.get("MILLRACE_FAULTS_SEED", 0)) or chaos.default_seed()


@pytest.fixture
def run(stack: tuple, run_folder: pathlib.Path, request):
    def start(protocol: str, happening):
        setup = chaos.example(stack, run_folder / request.node.name, PROCESSES, protocol, SEED, chaos.RATE)
        running = Chaos(setup)
        report, verdict = running.run(happening)
        print(report)
        assert verdict.passed, report
        return running, report

    return start


def wait_until_shared(running: Chaos) -> None:
    """Every process has partitions, and together they have all."""
    deadline = time.monotonic() + SHARE_TIMEOUT_S
    while time.monotonic() < deadline:
        owned = [member.partitions() or set() for member in running.setup.members]
        if all(owned) and sum(map(len, owned)) == len(running.group.places):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the partitions were not distributed over the members: {[sorted(p) for p in owned]}")


def test_a_process_that_leaves_and_returns_repeats_nothing(run):
    def happening(running: Chaos) -> None:
        wait_until_shared(running)
        time.sleep(WORK_S)
        leaving = running.setup.members[0]
        leaving.look()
        running.happened["stop"] += 1
        assert leaving.stop().accounting["done"] > 0
        time.sleep(WORK_S)
        leaving.start()
        wait_until_shared(running)

    running, report = run("consumer", happening)
    assert running.exposures == []
    assert "\nrepeated     0;" in report
    lives = [life for member in running.setup.members for life in member.lives]
    assert len(lives) == PROCESSES + 1
    assert all(life.exit_code == 0 and life.accounting["abandoned"] == 0 for life in lives)


def test_a_killed_process_is_replaced_and_repeats_only_what_was_not_committed(run):
    def happening(running: Chaos) -> None:
        wait_until_shared(running)
        time.sleep(WORK_S)
        victim, other = running.setup.members
        running.happened["kill"] += 1
        running.kill(victim)
        deadline = time.monotonic() + SHARE_TIMEOUT_S
        while other.partitions() != set(running.group.places) and time.monotonic() < deadline:
            time.sleep(0.2)
        victim.start()
        wait_until_shared(running)

    running, _ = run("classic", happening)
    victim, other = running.setup.members
    assert [life.ending for life in victim.lives] == ["kill", "stop"] and victim.lives[0].exit_code == -9
    assert [life.ending for life in other.lives] == ["stop"] and other.lives[0].exit_code == 0
    assert len(running.exposures) == 1 and running.exposures[0].records > 0
