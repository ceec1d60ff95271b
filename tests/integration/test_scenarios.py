"""The promises of the application between real servers: everything once in calm, nothing lost in a storm."""

from __future__ import annotations

import pathlib
import re
import signal
from typing import Callable, Iterator

import pytest

from integration import scenarios
from integration.application import Application

COUNT = 6_000
RATE = 1_500.0
SEED = 11

MakeWorld = Callable[[str], scenarios.World]


@pytest.fixture
def make_world(request, run_folder: pathlib.Path) -> Iterator[MakeWorld]:
    """An environment on the servers of the named fixture, `stack` or `secure_stack`."""
    folder = run_folder / re.sub(r"\W+", "-", request.node.name)
    worlds = []

    def make(servers: str) -> scenarios.World:
        worlds.append(scenarios.World.make(request.getfixturevalue(servers), folder, COUNT, SEED))
        return worlds[-1]

    yield make
    for world in worlds:
        world.application.kill()


@pytest.mark.parametrize("servers", ["stack", "secure_stack"])
def test_every_record_has_its_effects_exactly_once(make_world: MakeWorld, servers: str):
    world = make_world(servers)
    assert scenarios.whole_run(world) == 0
    report = world.report()
    assert report.exact, str(report)
    assert world.dead_lettered() == 0


def test_sigterm_in_the_middle_loses_and_repeats_nothing(make_world: MakeWorld):
    world = make_world("stack")
    interruption = scenarios.interrupted_run(world, RATE, kill=False)
    assert interruption.exit_code == 0, interruption.log_tail
    assert interruption.emitted_before < COUNT
    report = world.report()
    assert report.exact, str(report)


def test_sigkill_in_the_middle_loses_nothing(make_world: MakeWorld):
    world = make_world("stack")
    interruption = scenarios.interrupted_run(world, RATE, kill=True)
    assert interruption.exit_code == -signal.SIGKILL
    assert interruption.emitted_before < COUNT
    report = world.report()
    assert report.complete, str(report)
    assert world.dead_lettered() == 0


def test_passwords_are_not_in_the_configuration(secure_stack, run_folder: pathlib.Path):
    kafka, cassandra, _ = secure_stack
    config = Application(run_folder / "passwords", *secure_stack, group="passwords").config_file.read_text()
    assert kafka.password not in config and cassandra.password not in config
