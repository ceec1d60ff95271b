"""`millrace check` on files that have every trap: its findings are exactly the marked lines, and every rule has one.

check_rules.py --millrace PROGRAM --build FOLDER: the cases are compiled by the build's target check_cases, of which only
the compile commands are used.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import subprocess
import sys

CASES = pathlib.Path(__file__).resolve().parent / "cases"
EXIT_FINDINGS, EXIT_CONFIG = 1, 78


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], text=True, capture_output=True, check=False, cwd="/")


def marked() -> set[tuple[str, int, str]]:
    found = set()
    for file in CASES.glob("*.cc"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            mark = re.search(r"// finding( below)?: ([\w\- ]+)$", line)
            if mark:
                found |= {(file.name, number + bool(mark[1]), rule) for rule in mark[2].split()}
    return found


def printed(output: str) -> tuple[set[tuple[str, int, str]], list[str]]:
    """The findings, and what is wrong with their form: a place, what, the rule; below it what to do."""
    found, wrong = set(), []
    lines = output.splitlines()
    for number, line in enumerate(lines):
        shape = re.fullmatch(r"(\S+):(\d+):(\d+): (.+) \[([\w\-]+)\]", line)
        if shape is None:
            continue
        found.add((pathlib.Path(shape[1]).name, int(shape[2]), shape[5]))
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if not re.fullmatch(r"    \S.+", following):
            wrong.append(f"nothing says what to do: {line}")
    return found, wrong


def problems(millrace: pathlib.Path, build: pathlib.Path) -> list[str]:
    files = sorted(CASES.glob("*.cc"))
    done = run(millrace, "check", "--build", build, *files)
    found, wrong = printed(done.stdout)
    expected = marked()
    if done.returncode != EXIT_FINDINGS:
        wrong.append(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    wrong += [f"missing: {each}" for each in sorted(expected - found)]
    wrong += [f"not expected: {each}" for each in sorted(found - expected)]

    rules = re.findall(r"^\S+$", run(millrace, "check", "--rules").stdout, re.MULTILINE)
    for rule in rules:
        if not any(each.startswith(rule) for _, _, each in expected):
            wrong.append(f"no case has the trap of {rule}")

    clean = run(millrace, "check", "--build", build, CASES.parents[2] / "examples/ratings/processors.cc")
    if clean.returncode != 0 or "0 findings in 1 file" not in clean.stdout:
        wrong.append(f"the example has findings:\n{clean.stdout}{clean.stderr}")
    for words in (["--build", "/nowhere"], ["--build", build, "/nowhere.cc"], ["--clang-tidy", "/nowhere", files[0]]):
        refused = run(millrace, "check", *words)
        if refused.returncode != EXIT_CONFIG or not refused.stderr.startswith("millrace check: "):
            wrong.append(f"{words}: exit code {refused.returncode}, {refused.stderr}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millrace", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    wrong = problems(arguments.millrace.resolve(), arguments.build.resolve())
    print("\n".join(wrong) or "every finding as marked")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
