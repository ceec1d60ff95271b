#!/usr/bin/env python3
"""What counting and timing cost a record, in nanoseconds, and a scrape. Arguments: [RECORDS [ROUNDS]]."""

from __future__ import annotations

import argparse
import os
import pathlib


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench metrics", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    arguments, others = parser.parse_known_args()
    program = str(arguments.build.resolve() / "bench" / "metrics" / "bench_metrics")
    os.execv(program, [program, *others])


if __name__ == "__main__":
    main()
