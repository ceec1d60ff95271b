#!/usr/bin/env python3
"""Where the CPU time of `visits` goes, by sampling with perf (package linux-perf).

./dev bench visits --split [--in-flight N] [--records N] [--rounds N] [--top N] prints the share of each part, and the
functions that take most. The kernel's part needs kernel.perf_event_paranoid below 2, or root.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

FREQUENCY_HZ = 4_999
SAMPLE = re.compile(r"^(?P<comm>.{1,16}?)\s+(?P<pid>\d+)\s+(?P<address>[0-9a-f]+)\s+(?P<symbol>.*?)\s+\((?P<dso>.*?)\)$")
# The first that matches; threads of librdkafka are named rdk:*, the driver's cql-io-*.
PARTS = (
    ("kernel", lambda s: s.dso.startswith(("[kernel", "[vdso")) or s.dso == "[unknown]" and s.address.startswith("ffff")),
    ("Kafka client", lambda s: s.comm.startswith("rdk:") or re.match(r"(rd_|rdk|rdkafka|crc32c|mtx_|cnd_|LZ4|snappy)", s.symbol)),
    ("bridge and driver", lambda s: re.search(r"(scylla|tokio|millrace_native|mio::|openssl::|millrace_cql_|rustls|alloc::|core::|std::.*::h[0-9a-f]{16}|^_R)", s.symbol)
        or s.comm.startswith(("cql", "tokio", "millrace-cql"))),
    ("statements (libs/cql)", lambda s: "millrace::cql" in s.symbol),
    ("Avro", lambda s: "millrace::avro" in s.symbol),
    ("processor", lambda s: "navigation::" in s.symbol or "tracking::" in s.symbol),
    ("engine", lambda s: "millrace::" in s.symbol),
    ("C library in the worker", lambda s: True),
)  # fmt: skip


class Sample:
    def __init__(self, found: re.Match) -> None:
        self.comm, self.address, self.dso = found["comm"].strip(), found["address"], found["dso"]
        self.symbol = re.sub(r"\+0x[0-9a-f]+$", "", found["symbol"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--in-flight", type=int, default=1024)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--top", type=int, default=25, help="functions to print")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "perf.data"
        run = subprocess.run(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY_HZ), "-o", data, "--", arguments.program,
             "--rounds", str(arguments.rounds), "--in-flight", str(arguments.in_flight), "--records", str(arguments.records)],
            capture_output=True, text=True,
        )  # fmt: skip
        started = re.findall(r"is process (\d+)", run.stderr)
        if run.returncode != 0 or not started:
            print(run.stderr, file=sys.stderr)
            return 1
        print(run.stdout)
        script = subprocess.run(
            ["perf", "script", "-i", data, "--pid", ",".join(started), "-F", "comm,pid,ip,sym,dso"],
            capture_output=True, text=True, errors="replace",
        ).stdout  # fmt: skip
    samples = [Sample(found) for line in script.splitlines() if (found := SAMPLE.match(line.strip()))]
    if not samples:
        print("perf took no samples of the application", file=sys.stderr)
        return 1
    shares = collections.Counter(next(name for name, holds in PARTS if holds(s)) for s in samples)
    for name, count in shares.most_common():
        print(f"{name:<26}{100 * count / len(samples):6.1f} %")
    print(f"\n{'thread':<18}share, {len(samples)} samples")
    for comm, count in collections.Counter(s.comm for s in samples).most_common(8):
        print(f"{comm:<18}{100 * count / len(samples):6.1f} %")
    print()
    functions = collections.Counter((s.comm, s.symbol[:90]) for s in samples)
    for (comm, symbol), count in functions.most_common(arguments.top):
        print(f"{100 * count / len(samples):6.2f} %  {comm:<16} {symbol}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
