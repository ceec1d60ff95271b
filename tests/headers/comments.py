"""Reads the comments of a public header: the text before the first line of code, and the examples in it."""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXEMPT = pathlib.Path(__file__).with_name("without_example.txt")
MARK = re.compile(r"^Example(?P<scope>, at namespace scope|, in a coroutine| prelude)?:$")


def public_headers(root: pathlib.Path) -> list[pathlib.Path]:
    """Every public header, relative to `root`."""
    found = [*root.glob("libs/*/include/millrace/*/*.h"), *root.glob("native/include/millrace/*/*.h")]
    return sorted(name.relative_to(root) for name in found)


def headers_without_example(text: str) -> dict[str, str]:
    """The exemptions: `header: reason` per line, `#` for comments."""
    rows = [line.strip() for line in text.splitlines()]
    pairs = [row.partition(":") for row in rows if row and not row.startswith("#")]
    return {name.strip(): reason.strip() for name, _, reason in pairs}


def file_comment(text: str) -> list[str]:
    """The lines of the comment at the top of a header, without the comment's own marks."""
    lines: list[str] = []
    block = text.startswith("/*")
    for line in text.splitlines():
        if block:
            end = "*/" in line
            body = line.partition("*/")[0]
            body = body[2:] if not lines else re.sub(r"^ \*", "", body)
            if body.strip() or not end:
                lines.append(body.removeprefix(" "))
            if end:
                break
        elif line.startswith("//"):
            lines.append(line[2:].removeprefix(" "))
        else:
            break
    return lines


@dataclass
class Example:
    """Code of one header's example: what stands at namespace scope, and statements of a function."""

    includes: list[str] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    coroutine: bool = False

    def __bool__(self) -> bool:
        return bool(self.declarations or self.statements)


def split(comment: list[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The prose, and the examples with their scopes: lines that are indented by two spaces or more after a line
    `Example:`. The first other line ends an example."""
    prose: list[str] = []
    examples: list[tuple[str, list[str]]] = []
    at = 0
    while at < len(comment):
        mark = MARK.match(comment[at].rstrip())
        if not mark:
            prose.append(comment[at])
            at += 1
            continue
        code: list[str] = []
        at += 1
        while at < len(comment) and (not comment[at].strip() or comment[at].startswith("  ")):
            code.append(comment[at][2:].rstrip())
            at += 1
        if any(code):
            examples.append((mark["scope"] or "", code))
    return prose, examples


def example_of(comment: list[str]) -> Example:
    found = Example()
    for scope, code in split(comment)[1]:
        if scope in (" prelude", ", at namespace scope"):
            found.includes += [line for line in code if line.startswith("#include")]
            found.declarations += [line for line in code if not line.startswith("#include")]
        else:
            found.coroutine = scope == ", in a coroutine"
            found.statements += code
    return found
