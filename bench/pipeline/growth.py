"""How Millrace's cost of a record grows: with records in flight, partitions, sizes of records and workers."""

from __future__ import annotations

import dataclasses
import pathlib
import statistics
import sys

from contestants import Contestant, Millrace
from measure import Run, measure
from environment import Environment


@dataclasses.dataclass(frozen=True)
class Case:
    dimension: str
    value: str
    records: int
    in_flight: int = 256
    partitions: int = 20
    size: int = 0  # 0: as the schema's records are
    workers: int = 1
    base: bool = False  # that the others of its dimension are compared with

    @property
    def topic(self) -> str:
        return f"growth-{self.partitions}-{self.size}-{self.records}"


def cases(records: int) -> list[Case]:
    """Few records where each takes long: with one in flight, and of 100 KB."""
    few = max(records // 20, 2_000)
    return [
        Case("in flight", "1", few, in_flight=1),
        Case("in flight", "16", few, in_flight=16),
        Case("in flight", "256", records, base=True),
        Case("in flight", "1,024", records, in_flight=1_024),
        Case("in flight", "8,192", records, in_flight=8_192),
        Case("partitions", "1", records, partitions=1, base=True),
        Case("partitions", "20", records),
        Case("partitions", "100", records, partitions=100),
        Case("bytes", "the least", records, size=1),
        Case("bytes", "as generated", records, base=True),
        Case("bytes", "10,000", records // 4, size=10_000),
        Case("bytes", "100,000", few, size=100_000),
        Case("workers", "1", records, base=True),
        Case("workers", "2", records, workers=2),
    ]


def measure_growth(
    program: pathlib.Path, folder: pathlib.Path, kafka, environment: Environment, records: int, rounds: int
) -> list[dict]:
    all_cases = cases(records)
    sizes: dict[str, float] = {}
    for case in all_cases:
        if case.topic not in sizes:
            kafka.create_topic(case.topic, case.partitions)
            filled = environment.fill(kafka.bootstrap, case.topic, case.records, size=case.size)
            sizes[case.topic] = filled["bytes"] / filled["records"]
    runs: dict[Case, list[Run]] = {}
    for number in range(rounds):
        measured: dict[tuple, Run] = {}  # one run serves every dimension that it belongs to
        for index, case in enumerate(all_cases):
            same = (case.topic, case.in_flight, case.workers)
            if same not in measured:
                ours = Millrace(program, folder, workers=case.workers)
                contestant = Contestant("millrace", command=ours.command, quantiles=ours.quantiles)
                group = f"growth-{index}-{number}"
                measured[same] = measure(
                    contestant, kafka.bootstrap, case.topic, group, environment, case.records, case.in_flight, folder
                )
                print(
                    f"  growth {number + 1}: {case.dimension} {case.value}: {measured[same].cpu_us_per_record:.1f} us",
                    file=sys.stderr,
                    flush=True,
                )
            runs.setdefault(case, []).append(measured[same])
    rows = []
    for case in all_cases:
        base = next(one for one in all_cases if one.dimension == case.dimension and one.base)
        cost = statistics.median(run.cpu_us_per_record for run in runs[case])
        ratios = [mine.cpu_us_per_record / its.cpu_us_per_record for mine, its in zip(runs[case], runs[base])]
        rows.append(
            {
                "dimension": case.dimension,
                "value": case.value,
                "bytes_per_record": round(sizes[case.topic]),
                "cpu_us_per_record": round(cost, 2),
                "records_per_second": round(statistics.median(run.records_per_second for run in runs[case])),
                "against_base": round(statistics.median(ratios), 3),
                "verified": all(run.verified for run in runs[case]),
            }
        )
    return rows


def print_growth(rows: list[dict]) -> None:
    print(f"\n{'growth':<14}{'':<14}{'bytes/rec':>10}{'CPU us/rec':>12}{'rec/s':>9}{'x base':>8}  verified")
    for row in rows:
        print(
            f"{row['dimension']:<14}{row['value']:<14}{row['bytes_per_record']:>10}{row['cpu_us_per_record']:>12.2f}"
            f"{row['records_per_second']:>9}{row['against_base']:>8.2f}  {'yes' if row['verified'] else 'NO'}"
        )
