"""Plants one bug after another in a copy of the record engine and shows which test finds it.

mutations.py [--jobs N] [--seeds N] FOLDER: FOLDER holds the programs simulation_mutations and unit_mutations. Prints a table;
fails when a bug survives all of the seeds and all of the unit tests, or when a program finds something without a bug.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

TIMEOUT_S = 600
FINDINGS_SHOWN_MAX = 2


def run(program: pathlib.Path, bug: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output; a program that does not end has found something, too."""
    environment = os.environ | ({"MILLRACE_MUTATION": bug} if bug else {})
    try:
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return 1, "does not end"
    return done.returncode, done.stdout + done.stderr


def by_simulation(folder: pathlib.Path, bug: str, seeds: int) -> str | None:
    code, output = run(folder / "simulation_mutations", bug, "--quiet", "--seeds", str(seeds))
    if code == 0:
        return None
    seed = re.search(r"^seed (\d+):\n  (.*)", output, re.MULTILINE)
    if seed is None:
        return output.strip().splitlines()[-1] if output.strip() else f"exit code {code}"
    reason = re.search(r"invariant broken: (.*?) at ", output)
    return f"seed {seed[1]}: {reason[1] if reason else seed[2]}"


def by_unit_tests(folder: pathlib.Path, bug: str) -> list[str]:
    """The cases that fail, each in a process of its own where a broken invariant ended the program."""
    program = folder / "unit_mutations"
    skipped: list[str] = []
    while True:
        chosen = "-" + ":".join(skipped) if skipped else "*"
        code, output = run(program, bug, f"--gtest_filter={chosen}")
        failed = re.findall(r"^\[  FAILED  \] ([\w.]+)(?: \(\d+ ms\))$", output, re.MULTILINE)
        if code == 0 or failed:
            return [*skipped, *failed]
        begun = re.findall(r"^\[ RUN      \] ([\w.]+)", output, re.MULTILINE)
        if not begun or len(skipped) >= FINDINGS_SHOWN_MAX:
            return skipped or [f"exit code {code}"]
        skipped.append(begun[-1])


def find(folder: pathlib.Path, bug: str, seeds: int) -> tuple[str, str | None, list[str]]:
    return bug, by_simulation(folder, bug, seeds), by_unit_tests(folder, bug)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1000)
    asked = parser.parse_args()
    listed = run(asked.folder / "simulation_mutations", "list")[1].splitlines()
    items = dict((*line.split(), "")[:2] for line in listed)
    bugs = list(items)
    if not bugs:
        sys.exit("the programs list no mutations")

    survivors = 0
    simulated = 0
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        for bug, seed, cases in pool.map(lambda each: find(asked.folder, each, asked.seeds), ["", *bugs]):
            if not bug:
                if seed or cases:
                    sys.exit(f"failure without a mutation: {seed or cases}")
                continue
            simulated += seed is not None
            survivors += seed is None and not cases
            shown = ", ".join(cases[:FINDINGS_SHOWN_MAX]) + (" …" if len(cases) > FINDINGS_SHOWN_MAX else "")
            item = f" ({items[bug]})" if items[bug] else ""
            print(f"{bug + item:48} {'SURVIVES' if seed is None and not cases else 'found'}")
            print(f"{'':4}simulation: {seed or f'not in {asked.seeds} seeds'}")
            print(f"{'':4}unit tests: {shown or 'none'}", flush=True)
    print(f"{len(bugs)} mutations, {simulated} found by the simulation, {survivors} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
