"""A node that fails fast, and nodes that stop reading, under a load that goes on."""

from __future__ import annotations

import argparse
import time

from bars import Bars
from serving import Broken, Server, Steady

WARM_SECONDS, BEFORE_SECONDS, SETTLE_SECONDS, AFTER_SECONDS = 1, 2, 2, 5
KEPT_RATE_MIN = 0.9
NODES = 3
# Answers take long enough that the requests in flight limit the rate, and not the processors of this machine.
CLUSTER = ["--nodes", str(NODES), "--replication", str(NODES), "--insert-latency-us", "5000"]
FAULTS = {"server_error": "0x0000", "overloaded": "0x1001", "bootstrapping": "0x1002"}
FAULTY_NODE = 1

STALL_IN_FLIGHT, STALL_VALUE_BYTES, STALL_TIMEOUT_MS = 4_096, 4_096, 500
STALL_SETTLE_SECONDS = 5
MEMORY_MAX_MB = 5.0


def sample_at(samples: list[dict], at: float) -> dict:
    """The last sample that is not younger."""
    older = [one for one in samples if one["at"] <= at]
    if not older:
        raise Broken("the load gave no samples")
    return older[-1]


def window(samples: list[dict], begin: float, end: float) -> dict:
    """What happened between two moments."""
    first, last = sample_at(samples, begin), sample_at(samples, end)
    seconds = last["at"] - first["at"]
    if seconds < 0.5 * (end - begin):
        raise Broken("the load gave too few samples")
    codes = {
        code: count - first["failures"].get(code, 0)
        for code, count in last["failures"].items()
        if count != first["failures"].get(code, 0)
    }
    return {
        "seconds": round(seconds, 3),
        "records_per_second": (last["good"] - first["good"]) / seconds,
        "failed": last["failed"] - first["failed"],
        "failures": codes,
        "next_node": last["next_node"] - first["next_node"],
    }


def watch(load: Steady, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        if not load.running():
            raise Broken("the load has ended")
        time.sleep(min(left, 0.5))


def failing_node(arguments: argparse.Namespace, program: str, kind: str) -> dict:
    with Server(program, *CLUSTER) as server:
        with Steady(program, server.address, "--in-flight", str(arguments.in_flight)) as load:
            watch(load, time.monotonic() + 0.5)
            while not load.samples and load.running():
                time.sleep(0.05)
            watch(load, time.monotonic() + WARM_SECONDS + BEFORE_SECONDS)
            begun = time.monotonic()
            server.obey(f"fault {kind} {FAULTY_NODE}")
            end = begun + SETTLE_SECONDS + AFTER_SECONDS
            watch(load, end + 0.3)
        counters = server.counters()
    if not counters["faults"]:
        raise Broken("the node did not fail")
    return {
        "before": window(load.samples, begun - BEFORE_SECONDS, begun),
        "first_seconds": window(load.samples, begun, begun + SETTLE_SECONDS),
        "after": window(load.samples, begun + SETTLE_SECONDS, end),
        "faults": counters["faults"],
        "requests_of_node": counters["requests_of_node"],
    }


def failing(arguments: argparse.Namespace, program: str, bars: Bars) -> dict:
    results = {}
    print(f"\nA node of three that fails fast, three replicas, {arguments.in_flight} INSERTs in flight:")
    for kind, code in FAULTS.items():
        results[kind] = found = failing_node(arguments, program, kind)
        kept = found["after"]["records_per_second"] / found["before"]["records_per_second"]
        found["kept"] = kept
        first = found["first_seconds"]
        print(
            f"  {code} {kind:<14} {found['before']['records_per_second']:>9,.0f} records/s before, "
            f"{first['records_per_second']:,.0f} in the first {SETTLE_SECONDS} s ({first['failed']} failed), "
            f"{found['after']['records_per_second']:,.0f} after ({found['after']['failed']} failed); "
            f"{found['faults']} requests met the fault",
            flush=True,
        )
        bars.at_least(f"failing node: records/s, {code} {kind}, of before", KEPT_RATE_MIN, kept)
        bars.at_most(f"failing node: failures, {code} {kind}", 0, found["after"]["failed"], "records")
    return results


def memory(arguments: argparse.Namespace, program: str, bars: Bars) -> dict:
    """Resident memory while no node reads."""
    load_of = ["--in-flight", str(STALL_IN_FLIGHT), "--value-bytes", str(STALL_VALUE_BYTES)]
    settling, resident = [], []
    with Server(program, "--nodes", str(NODES), "--replication", str(NODES)) as server:
        with Steady(program, server.address, *load_of, "--timeout-ms", str(STALL_TIMEOUT_MS)) as load:
            watch(load, time.monotonic() + WARM_SECONDS + BEFORE_SECONDS)
            begun = time.monotonic()
            before = load.resident_bytes()
            server.obey("pause")
            for second in range(1, arguments.stall_seconds + 1):
                watch(load, begun + second)
                (resident if second >= STALL_SETTLE_SECONDS else settling).append(load.resident_bytes())
            ended = time.monotonic()
            server.obey("resume")
            watch(load, ended + 2 * SETTLE_SECONDS + 0.3)
    stalled = window(load.samples, begun + STALL_SETTLE_SECONDS, ended)
    if not stalled["failed"]:
        raise Broken("requests went on while no node was to read")
    moved = (max(resident) - min(resident)) / 1e6
    results = {
        "stall_seconds": arguments.stall_seconds,
        "before_bytes": before,
        "settling_bytes": settling,
        "resident_bytes": resident,
        "before": window(load.samples, begun - BEFORE_SECONDS, begun),
        "stalled": stalled,
        "afterwards": window(load.samples, ended + SETTLE_SECONDS, ended + 2 * SETTLE_SECONDS),
        "buffer_bytes_most": max(one["buffer_bytes"] for one in load.samples),
    }
    print(
        f"\nNo node reads for {arguments.stall_seconds} s: {STALL_IN_FLIGHT:,} INSERTs of {STALL_VALUE_BYTES:,} bytes "
        f"in flight, timeout {STALL_TIMEOUT_MS} ms:\n"
        f"  {before / 1e6:.1f} MB resident before, up to {max(settling) / 1e6:.1f} MB in the first seconds, "
        f"{min(resident) / 1e6:.1f} to {max(resident) / 1e6:.1f} MB from second {STALL_SETTLE_SECONDS} on; "
        f"buffers of connections at most {results['buffer_bytes_most'] / 1e6:.1f} MB\n"
        f"  {stalled['failed']:,} requests failed in the stall {stalled['failures']}; "
        f"{results['before']['records_per_second']:,.0f} records/s before, "
        f"{results['afterwards']['records_per_second']:,.0f} from {SETTLE_SECONDS} s after it",
        flush=True,
    )
    bars.at_most("memory while a server stops reading: most less least", MEMORY_MAX_MB, moved, "MB")
    return results
