"""Public headers are the manual: what each must say, as a lint.

lint.py [--root FOLDER] [--count]: prints what is missing as file:line: message; exit code 1 then. --count prints the
number of findings per rule instead.

    example   the comment at the top has an example, or without_example.txt has the header with a reason
    threads   a function's comment, its class's or the file's has a statement `Threads:`
    result    a function has a comment, or its class has one
    failure   a function that returns result<> or task<> has an errc::, `Errors:` or `Failure:` in the same places
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import sys
from collections.abc import Iterator

from comments import EXEMPT, ROOT, example_of, file_comment, headers_without_example, public_headers, split
from declarations import Function, read

THREADS = re.compile(r"\bThreads:")
FAILURE = re.compile(r"\berrc::\w|\b(?:Errors|Failure):")
CAN_FAIL = re.compile(r"\b(?:result|task)<")


def comments_of(function: Function, file: str) -> str:
    return "\n".join((function.comment, function.of.comments() if function.of else "", file))


def is_documented(function: Function) -> bool:
    """Elsewhere: at the port that it implements, at the primary template, or by the language's own protocol."""
    of = function.of
    elsewhere = function.override or function.name.startswith("await_") or (of is not None and of.specialisation)
    return elsewhere or bool(function.comment) or (of is not None and bool(of.comment))


def findings(name: str, text: str, exempt: dict[str, str]) -> Iterator[tuple[str, str]]:
    comment = file_comment(text)
    top = "\n".join(split(comment)[0])  # code in an example states nothing
    if not comment:
        yield "result", f"{name}:1: no comment at the top says what the header is for"
    if bool(example_of(comment)) == (name in exempt):
        what = "has an example: remove it from without_example.txt" if name in exempt else "no example in the comment"
        yield "example", f"{name}:1: {what}"
    if name.startswith("native/"):
        if not THREADS.search(top):
            yield "threads", f"{name}:1: no statement 'Threads:'"
        return  # C: the functions return a status, which the header defines
    for function in read(text).functions:
        where = f"{name}:{function.line}: {function.of.name + '::' if function.of else ''}{function.name}()"
        said = comments_of(function, top)
        if not THREADS.search(said):
            yield "threads", f"{where}: no statement 'Threads:' in its comment, its class's or the file's"
        if not is_documented(function):
            yield "result", f"{where}: no comment says what it does and returns"
        if not function.override and CAN_FAIL.search(function.returns) and not FAILURE.search(said):
            yield "failure", f"{where}: no errc::, 'Errors:' or 'Failure:' in its comment, its class's or the file's"


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks what public headers say.")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    exempt_file = arguments.root / EXEMPT.relative_to(ROOT)
    exempt = headers_without_example(exempt_file.read_text()) if exempt_file.is_file() else {}
    headers = [name.as_posix() for name in public_headers(arguments.root)]
    found = [item for name in headers for item in findings(name, (arguments.root / name).read_text(), exempt)]
    for name, reason in exempt.items():
        if name not in headers or not reason:
            found.append(("example", f"{exempt_file.name}: {name}: no such header, or no reason"))
    if arguments.count:
        counts = collections.Counter(rule for rule, _ in found)
        for rule in ("example", "threads", "result", "failure"):
            print(f"{rule:8} {counts[rule]:4}")
    else:
        for _, message in sorted(set(found)):
            print(message)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
