"""The watch, on given samples."""

from __future__ import annotations

from faults import watch
from faults.member import Life
from faults.verdict import Exposure

PLACE = ("navigation", 0)
OTHER = ("navigation", 1)


class StillMember:
    name = "member-1"

    def __init__(self):
        self.lives = [Life(self.name)]

    def look(self) -> dict[str, float]:
        return self.lives[-1].seen


def made(clock: list[float], monkeypatch, exposures: list[Exposure] | None = None):
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    member = StillMember()
    return member, watch.Watch(None, [member], [] if exposures is None else exposures)


def look(seen: watch.Watch, clock: list[float], at: float, committed: int, end: int, other: int = 5) -> None:
    clock[0] = at
    seen._note({PLACE: committed, OTHER: other}, {PLACE: end, OTHER: other})


def test_an_offset_that_goes_back_is_recorded(monkeypatch):
    clock = [0.0]
    _, seen = made(clock, monkeypatch)
    for at, committed in enumerate((5, 9, 7, 8)):
        look(seen, clock, at, committed, 10)
    assert seen.regressions == ["navigation/0 went back from 9 to 7"]


def test_the_longest_stall_is_that_of_a_partition_with_waiting_records(monkeypatch):
    clock = [0.0]
    _, seen = made(clock, monkeypatch)
    look(seen, clock, 0, 5, 5)
    look(seen, clock, 50, 5, 5)
    assert seen.standstill_s == 0
    look(seen, clock, 57, 5, 9, other=6)
    look(seen, clock, 60, 7, 9, other=7)
    assert seen.standstill_s == 7


def test_a_loss_without_a_fault_allows_repeats_of_uncommitted_records_only(monkeypatch):
    clock, exposures = [100.0], []
    member, seen = made(clock, monkeypatch, exposures)
    look(seen, clock, 100, 5, 9)
    member.lives[-1].seen['millrace_rebalances_total{type="lost"}'] = 1
    look(seen, clock, 101, 8, 12)
    look(seen, clock, 102, 9, 12)
    assert [(exposure.ranges, exposure.members) for exposure in exposures] == [({PLACE: (5, 12)}, ("member-1",))]


def test_a_loss_after_a_fault_is_attributed_to_that_fault(monkeypatch):
    restart = Exposure("restart of the broker", 90.0, {PLACE: (3, 6)})
    of_another = Exposure("sleep of member-2", 95.0, {PLACE: (3, 6)}, ("member-2",))
    clock, exposures = [100.0], [restart, of_another]
    member, seen = made(clock, monkeypatch, exposures)
    member.lives[-1].seen['millrace_rebalances_total{type="lost"}'] = 1
    look(seen, clock, 100, 5, 9)
    assert len(exposures) == 2
    assert restart.ranges == {PLACE: (3, 9)}
    assert of_another.ranges == {PLACE: (3, 6)}
