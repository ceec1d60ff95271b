"""The verdict of a soak, on constructed samples."""

from __future__ import annotations

import pytest

from faults import soak

MIB = 1 << 20


def looks(memory_per_hour: float = 0.0, descriptors_per_hour: float = 0.0, slower_per_hour: float = 0.0):
    """An hour of samples: 100 MiB, 40 descriptors, half of all records within 10 ms and all within 20 ms."""
    made = []
    fast, slow = 0.0, 0.0
    for number in range(721):
        hours, noise = number / 720, (-1) ** number
        fast += 50 - 50 * slower_per_hour * hours
        slow += 100
        metrics = {
            "process_resident_memory_bytes": (100 + memory_per_hour * hours + 0.2 * noise) * MIB,
            "process_open_fds": 40 + round(descriptors_per_hour * hours),
            'millrace_record_e2e_seconds_bucket{le="0.01"}': fast,
            'millrace_record_e2e_seconds_bucket{le="0.02"}': slow,
            'millrace_record_e2e_seconds_bucket{le="+Inf"}': slow,
        }
        made.append(soak.Look(number * 5.0, metrics))
    return made


def rising(judge_latency: bool = True, **changes) -> list[str]:
    return [drift.name for drift in soak.drifts(looks(**changes), judge_latency) if drift.bad]


@pytest.mark.parametrize(
    "changes, found",
    [
        ({}, []),
        ({"memory_per_hour": 3.0}, []),
        ({"memory_per_hour": 20.0}, ["memory"]),
        ({"memory_per_hour": -20.0}, []),
        ({"descriptors_per_hour": 6.0}, ["descriptors"]),
        ({"slower_per_hour": 0.9}, ["latency p50"]),
    ],
)
def test_only_rising_series_are_found(changes: dict, found: list[str]):
    assert rising(**changes) == found


def test_latency_may_be_reported_without_a_verdict():
    assert rising(judge_latency=False, slower_per_hour=0.9) == []
    assert any("not judged" in str(drift) for drift in soak.drifts(looks(), judge_latency=False))
