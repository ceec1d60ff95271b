"""Compiles the cases of misuse: each must fail with the text that it expects, and compile when it is used right.

check_misuse.py header --compiler C --work FOLDER     precompiles vocabulary.h, once per compiler
check_misuse.py case FILE --compiler C --work FOLDER

A case begins with the lines `// expect: TEXT` and, optionally, `// names: TYPE`: both must be in the first lines that the
compiler prints. With MISUSE defined the case must not compile; without it, it must.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LINES = 40  # of the compiler's message; the text must not be buried


def compile_with(arguments: argparse.Namespace, *words: str) -> tuple[int, str]:
    folders = sorted(HERE.parents[1].glob("libs/*/include"))
    flags = ["-std=c++20", "-fdiagnostics-color=never", f"-I{HERE}", *(f"-I{folder}" for folder in folders)]
    done = subprocess.run(
        [arguments.compiler, *flags, *words],
        env=os.environ | {"LC_ALL": "C"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


def is_clang(compiler: str) -> bool:
    return "clang" in pathlib.Path(compiler).name


def precompile(arguments: argparse.Namespace) -> str | None:
    """The header lies beside its compiled form, so that both compilers take that for the #include."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    header = arguments.work / "all.h"
    header.write_text('#include <vocabulary.h>\n')
    suffix = ".pch" if is_clang(arguments.compiler) else ".gch"
    status, output = compile_with(arguments, "-x", "c++-header", str(header), "-o", f"{header}{suffix}")
    return None if status == 0 else f"the vocabulary does not compile:\n{output}"


def first_lines(output: str) -> str:
    return "\n".join(output.splitlines()[:LINES])


def unbroken(text: str) -> str:
    return " ".join(text.split())


def check_case(arguments: argparse.Namespace, file: pathlib.Path) -> str | None:
    source = file.read_text()
    expected = re.search(r"^// expect: (.+)$", source, re.MULTILINE)
    if expected is None or "#ifdef MISUSE" not in source:
        return "the case has no line `// expect: TEXT`, or no part for MISUSE"
    words = ["-fsyntax-only", "-include", str(arguments.work / "all.h"), str(file)]
    status, output = compile_with(arguments, *words)
    if status != 0:
        return f"the right use does not compile:\n{output}"
    status, output = compile_with(arguments, "-DMISUSE", *words)
    if status == 0:
        return "the misuse compiles"
    shown = first_lines(output)
    named = re.search(r"^// names: (.+)$", source, re.MULTILINE)
    for text in [expected[1], *([named[1]] if named else [])]:
        if unbroken(text) not in unbroken(shown):
            return f"the first {LINES} lines do not say: {text}\n{shown}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("header", "case"))
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.step == "header":
        wrong = precompile(arguments)
        if wrong:
            print(wrong)
        return 1 if wrong else 0
    failed = 0
    for file in arguments.files:
        wrong = check_case(arguments, file.resolve())
        if wrong:
            failed += 1
            print(f"{file.name}: {wrong}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
