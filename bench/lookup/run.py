#!/usr/bin/env python3
"""What a cached lookup costs, in nanoseconds and allocations, over 1, 1,000 and 100,000 cached keys."""

from __future__ import annotations

import argparse
import os
import pathlib


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench lookup", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    program = str(parser.parse_args().build.resolve() / "bench" / "lookup" / "bench_lookup")
    os.execv(program, [program])


if __name__ == "__main__":
    main()
