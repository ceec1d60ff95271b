"""The group seen from outside, all the time: committed offsets, ends of the logs, and what the members show."""

from __future__ import annotations

import collections
import logging
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from .member import Member
from .verdict import Exposure, Place

REQUEST_TIMEOUT_S = 20.0
LOOK_EVERY_S = 1.0
REMEMBERED_S = 45.0  # a member learns late that it has lost its partitions
REGRESSIONS_MAX = 20
UNCOMMITTED = "millrace_partition_uncommitted_records{"

# While a broker is down its refused connections are not reported.
_unheard = logging.getLogger("faults.librdkafka")
_unheard.propagate = False
_unheard.addHandler(logging.NullHandler())


class Group:
    """Asks the brokers about a group and its topics; never joins. For one thread."""

    def __init__(self, client_config: dict, group: str, topics: list[str]):
        quiet = {"socket.timeout.ms": 10_000}
        self._consumer = Consumer(client_config | quiet | {"group.id": group}, logger=_unheard)
        self._admin_config = client_config | quiet
        self._admin = AdminClient(self._admin_config, logger=_unheard)
        self.places: list[Place] = []
        for topic in topics:
            partitions = self._consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic].partitions
            self.places += [(topic, partition) for partition in partitions]
        self._begins = self._offsets(OffsetSpec.earliest())

    def committed(self) -> dict[Place, int]:
        """Where a restart would begin; the begin of the log where nothing is committed."""
        known = self._consumer.committed([TopicPartition(*place) for place in self.places], REQUEST_TIMEOUT_S)
        if failed := [position for position in known if position.error]:
            raise KafkaException(failed[0].error)
        return {
            (position.topic, position.partition): position.offset
            if position.offset >= 0
            else self._begins[position.topic, position.partition]
            for position in known
        }

    def ends(self) -> dict[Place, int]:
        return self._offsets(OffsetSpec.latest())

    def lag(self, ends: dict[Place, int]) -> int:
        """Up to these ends."""
        committed = self.committed()
        return sum(max(ends[place] - committed[place], 0) for place in self.places)

    def patiently(self, ask):
        """ask(), with retries while the brokers do not answer."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_S * 3
        while True:
            try:
                return ask()
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def close(self) -> None:
        self._consumer.close()

    def _offsets(self, which: OffsetSpec) -> dict[Place, int]:
        asked = {TopicPartition(*place): which for place in self.places}
        try:
            answers = self._admin.list_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)
            return {(place.topic, place.partition): future.result().offset for place, future in answers.items()}
        except KafkaException:
            # It keeps asking in a leader's epoch that ended with the broker's restart; a new one learns the next.
            self._admin = AdminClient(self._admin_config, logger=_unheard)
            raise


class Watch(threading.Thread):
    """Looks about once a second until stop()."""

    def __init__(self, group: Group, members: list[Member], exposures: list[Exposure]):
        super().__init__(name="watch", daemon=True)
        self.looks = 0
        self.regressions: list[str] = []
        self.standstill_s = 0.0  # the longest time in which a partition's offset stood although records waited
        self.uncommitted_most = 0  # records a crash of the whole group would have repeated, at most
        self._group = group
        self._members = members
        self._exposures = exposures
        self._over = threading.Event()
        self._before: collections.deque[tuple[float, dict[Place, int]]] = collections.deque()
        self._last: dict[Place, int] = {}
        self._moved_at: dict[Place, float] = {}
        self._lost: dict[tuple[str, int], int] = {}

    def run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look_at_members()
            try:
                committed, ends = self._group.committed(), self._group.ends()
            except KafkaException:
                continue
            self.looks += 1
            self._note(committed, ends)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _note(self, committed: dict[Place, int], ends: dict[Place, int]) -> None:
        now = time.monotonic()
        for place, offset in committed.items():
            before = self._last.get(place, offset)
            if offset < before and len(self.regressions) < REGRESSIONS_MAX:
                self.regressions.append(f"{place[0]}/{place[1]} went back from {before} to {offset}")
            if place not in self._last or offset > before or ends[place] <= offset:
                self._moved_at[place] = now
            self._last[place] = offset
            self.standstill_s = max(self.standstill_s, now - self._moved_at[place])
        self._before.append((now, committed))
        while self._before[0][0] < now - REMEMBERED_S:
            self._before.popleft()
        self._note_losses(ends)

    def _look_at_members(self) -> None:
        uncommitted = 0.0
        for member in self._members:
            seen = member.look()
            uncommitted += sum(value for name, value in seen.items() if name.startswith(UNCOMMITTED))
        self.uncommitted_most = max(self.uncommitted_most, int(uncommitted))

    def _note_losses(self, ends: dict[Place, int]) -> None:
        """Until a member learns that it has lost its partitions it goes on with what it reads: the fault exposes that
        too. A loss that no event of ours explains (a starved machine, say) exposes records like a crash does."""
        for member in self._members:
            if not member.lives:
                continue
            life = (member.name, len(member.lives))
            lost = member.lives[-1].rebalances("lost")
            if lost <= self._lost.get(life, 0):
                continue
            self._lost[life] = lost
            recent = [exposure for exposure in self._exposures if exposure.at > time.monotonic() - REMEMBERED_S]
            for exposure in recent:
                if exposure.concerns(member.name):
                    exposure.reach(ends)
            if recent:
                continue
            begin = self._before[0][1]
            ranges = {place: (begin[place], ends[place]) for place in begin if ends[place] > begin[place]}
            what = f"{member.name} lost its partitions"
            self._exposures.append(Exposure(what, time.monotonic(), ranges, (member.name,)))
