"""What happens to the application between real servers; the tests say what must hold."""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time

from servers.access import CassandraAccess, KafkaAccess, RegistryAccess

from . import expectations, navigation
from .application import Application

FINISH_TIMEOUT_S = 180.0


@dataclasses.dataclass
class World:
    """Fresh tables and topics, an application that is not started yet, and `count` records that are not written yet."""

    kafka: KafkaAccess
    cassandra: CassandraAccess
    registry: RegistryAccess
    application: Application
    count: int
    seed: int

    @classmethod
    def make(cls, servers: tuple, folder: pathlib.Path, count: int, seed: int) -> "World":
        kafka, cassandra, registry = servers
        navigation.reset(kafka, cassandra)
        navigation.prepare(kafka, cassandra, navigation.Generator(seed).records(count))
        application = Application(folder, kafka, cassandra, registry, group=folder.name)
        return cls(kafka, cassandra, registry, application, count, seed)

    def write(self, rate: float | None = None) -> None:
        written = navigation.write(self.kafka, self.registry, navigation.Generator(self.seed).records(self.count), rate)
        assert written == self.count

    def finish(self) -> int:
        """Waits until everything is committed, then SIGTERM; the exit code."""
        application = self.application
        try:
            navigation.wait_until_committed(
                self.kafka, application.group, FINISH_TIMEOUT_S, lambda: application.running
            )
        except RuntimeError as failure:
            raise RuntimeError(f"{failure}\n{application.account()}") from failure
        return application.stop()

    def report(self) -> expectations.Report:
        expected = expectations.expect(navigation.Generator(self.seed).records(self.count))
        return expectations.compare(expected, expectations.read(self.kafka, self.cassandra, self.registry))

    def emitted(self) -> int:
        return navigation.size(self.kafka, navigation.FEED_TOPIC)

    def dead_lettered(self) -> int:
        return navigation.size(self.kafka, navigation.DEAD_LETTER_TOPIC)


@dataclasses.dataclass
class Interruption:
    emitted_before: int  # downstream records when the application ended
    exit_code: int
    log_tail: str  # of the application that ended


def whole_run(world: World) -> int:
    """All records are there when the application starts; returns its exit code at the end."""
    world.write()
    world.application.start()
    return world.finish()


def interrupted_run(world: World, rate: float, kill: bool) -> Interruption:
    """SIGTERM, or SIGKILL, while records keep coming and a third is done; then a second life finishes the work."""
    writing = threading.Thread(target=world.write, args=(rate,))
    world.application.start()
    writing.start()
    deadline = time.monotonic() + FINISH_TIMEOUT_S
    while world.emitted() < world.count // 3:
        if not world.application.running or time.monotonic() > deadline:
            raise RuntimeError(f"only {world.emitted()} records were emitted\n{world.application.account()}")
        time.sleep(0.02)
    if kill:
        world.application.kill()
    else:
        world.application.stop()
    process = world.application.process
    interruption = Interruption(world.emitted(), process.exit_code, process.log_tail())
    world.application.start()
    writing.join(FINISH_TIMEOUT_S)
    assert not writing.is_alive()
    world.finish()
    return interruption
