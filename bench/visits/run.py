#!/usr/bin/env python3
"""CPU time per record of the example's processor `visits`, against a program that only polls librdkafka.

--split samples one limit with perf instead (package linux-perf) and prints where the time goes. Everything else is for
the program itself: --records N, --rounds N, --in-flight 256,1024, --json FILE.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./dev bench visits", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    parser.add_argument("--split", action="store_true", help="--in-flight takes one number, --top N functions")
    arguments, others = parser.parse_known_args()
    program = str(arguments.build.resolve() / "bench" / "visits" / "bench_visits")
    if arguments.split:
        script = str(pathlib.Path(__file__).with_name("split.py"))
        os.execv(sys.executable, [sys.executable, script, program, *others])
    os.execv(program, [program, *others])


if __name__ == "__main__":
    main()
