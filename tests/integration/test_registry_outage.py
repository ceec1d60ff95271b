"""The application while the schema registry does not answer: with a cache folder it starts and runs all the same, without
one it waits."""

from __future__ import annotations

import pathlib
import threading
import time
from typing import Iterator

import pytest

from integration import scenarios

COUNT = 6_000
RATE = 1_000.0
SEED = 12


@pytest.fixture
def world(stack, run_folder: pathlib.Path) -> Iterator[scenarios.World]:
    made = scenarios.World.make(stack, run_folder / "registry-outage", COUNT, SEED)
    yield made
    made.application.kill()


def test_a_process_starts_and_runs_while_the_registry_is_down(world: scenarios.World, tmp_path: pathlib.Path):
    world.application.configure("registry", cache_folder=str(tmp_path / "schemas"), timeout="500ms")
    writing = threading.Thread(target=world.write, args=(RATE,))
    world.application.start()
    writing.start()
    deadline = time.monotonic() + scenarios.FINISH_TIMEOUT_S
    while world.emitted() < 500:
        assert world.application.running and time.monotonic() < deadline, world.application.account()
        time.sleep(0.02)
    assert world.application.stop() == 0
    assert world.emitted() < COUNT
    world.registry.pause()  # connections are accepted and never answered
    try:
        world.application.start()
        writing.join(scenarios.FINISH_TIMEOUT_S)
        assert not writing.is_alive()
        assert world.finish() == 0
    finally:
        world.registry.resume()
    report = world.report()
    assert report.exact, str(report)
    assert world.dead_lettered() == 0


def test_without_a_cache_a_start_waits_until_the_registry_answers(world: scenarios.World):
    world.application.configure("registry", timeout="500ms")
    writing = threading.Thread(target=world.write, args=(RATE,))
    world.registry.pause()
    try:
        world.application.launch()
        world.application.wait_until_not_ready_because(world.registry.url)
    finally:
        world.registry.resume()
    world.application.wait_until_ready()
    writing.start()
    writing.join(scenarios.FINISH_TIMEOUT_S)
    assert not writing.is_alive()
    assert world.finish() == 0
    report = world.report()
    assert report.exact, str(report)
