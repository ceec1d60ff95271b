"""A reader of C++ for the checks of size: classes with their member functions, and functions with their lines.

It reads text, not a syntax tree: comments, strings and preprocessor lines are blanked, then braces are followed.

* A class has the member functions that stand in its body: constructors, the destructor, operators and overloads
  count one each, deleted and defaulted ones do not count. A nested class counts for itself.
* A function has the lines from the first line of its signature to its closing brace. A lambda belongs to the function
  around it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', re.S
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)
CLASS = re.compile(
    r"(?:^|[\s>])(?:class|struct)\s+(?:\[\[[^\]]*\]\]\s*)?"
    r"(?P<name>[A-Za-z_][\w:]*)(?:<[^{};]*>)?\s*(?:final\s*)?(?::[^:].*)?$",
    re.S,
)
NAMESPACE = re.compile(r"(?:^|\s)(?:inline\s+)?namespace(?:\s+[\w:]+)?\s*$|extern\s*$")
ENUM = re.compile(r"(?:^|\s)(?:enum|union)\b")
FUNCTION = re.compile(
    r"(?P<name>(?:[\w:]|<[^<>;{}]*>)*(?:operator\s*(?:\(\)|\[\]|[^\s(\w]+|[\w:]+(?:\s*[*&])?)|~?\w+))\s*\("
)
NOT_A_NAME = {
    "if", "for", "while", "switch", "catch", "return", "decltype", "noexcept", "alignas", "requires", "static_assert",
}  # fmt: skip


@dataclasses.dataclass
class Class:
    name: str
    line: int
    methods: int


@dataclasses.dataclass
class Function:
    name: str
    line: int
    lines: int


def blanked(text: str) -> str:
    """The text with comments, strings and directives replaced by spaces; lines keep their numbers."""
    def spaces(found: re.Match[str]) -> str:
        kept = re.sub(r"[^\n]", " ", found[0])
        return '""' + kept[2:] if found[0].startswith(('"', "R")) else kept

    return DIRECTIVE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), TOKENS.sub(spaces, text))


def function_name(head: str) -> str | None:
    """The name that `head`, the text of a declaration up to its brace or semicolon, gives to a function."""
    head = re.sub(r"\[\[[^\]]*\]\]", "", head)
    head = re.sub(r"^\s*(?:public|private|protected)\s*:", "", head).strip()
    while head.startswith("template"):
        depth = 0
        for at, c in enumerate(head):
            depth += (c == "<") - (c == ">" and head[at - 1] != "-")
            if c == ">" and depth == 0:
                head = head[at + 1 :].strip()
                break
        else:
            return None
    if re.match(r"(?:using|typedef|friend|static_assert|namespace)\b", head):
        return None
    for found in FUNCTION.finditer(head):
        name = found["name"].split("::")[-1].strip()
        if name in NOT_A_NAME:
            continue
        before = head[: found.start()]
        # A field or variable with an initializer calls things, too: `int x = f(...)`, `std::function<void(int)> f`.
        initialized = re.search(r"(?<![=!<>])=(?!=)", before) and "operator" not in before
        in_template = before.count("<") > before.count(">") - before.count("->")
        if initialized or in_template:
            return None
        return name
    return None


def scan(text: str) -> tuple[list[Class], list[Function]]:
    code = blanked(text)
    classes: list[Class] = []
    functions: list[Function] = []
    line = 1
    scopes: list[tuple[str, object]] = []  # kind: namespace, class, function, block
    head = ""
    head_line = 1
    round_depth = 0
    for c in code:
        if c == "\n":
            line += 1
        kind = scopes[-1][0] if scopes else "namespace"
        if kind in ("function", "block"):
            if c == "{":
                scopes.append(("block", None))
            elif c == "}":
                what, one = scopes.pop()
                if what == "function":
                    one.lines = line - one.line + 1
                if not scopes or scopes[-1][0] in ("namespace", "class"):
                    # A braced initializer may be followed by the rest of its declaration.
                    head, head_line = ("", line) if what == "function" else (head + "{}", head_line)
            continue
        if c == "(":
            round_depth += 1
        elif c == ")":
            round_depth -= 1
        if c == "{" and round_depth == 0:
            plain = head.strip()
            if NAMESPACE.search(plain):
                scopes.append(("namespace", None))
            elif (
                not ENUM.search(plain)
                and "(" not in re.sub(r"\[\[.*?\]\]|alignas\s*\([^)]*\)", "", plain)
                and (found := CLASS.search(plain))
            ):
                one = Class(found["name"], head_line, 0)
                classes.append(one)
                scopes.append(("class", one))
            elif is_body(plain) and (name := function_name(plain)):
                if kind == "class":
                    scopes[-1][1].methods += 1
                one = Function(name, head_line, 0)
                functions.append(one)
                scopes.append(("function", one))
            else:
                scopes.append(("block", None))
                continue
            head, head_line = "", line
        elif c == "{":
            scopes.append(("block", None))
        elif c == "}":
            if scopes:
                scopes.pop()
            head, head_line = "", line
        elif c == ";" and round_depth == 0:
            if kind == "class" and not re.search(r"=\s*(?:delete|default)\s*$", head) and function_name(head):
                scopes[-1][1].methods += 1
            head, head_line = "", line
        else:
            if not head.strip() and not c.isspace():
                head, head_line = "", line
            head += c
            if c == ":" and re.fullmatch(r"\s*(?:public|private|protected)\s*:", head):
                head, head_line = "", line
    return classes, [one for one in functions if one.lines]


def is_body(head: str) -> bool:
    """Whether a brace after `head` opens a function's body: not an initializer of a field or of a base."""
    if "(" not in head:
        return False
    close = head.rfind(")")
    tail = re.sub(r"noexcept(?:\s*\(.*\))?|const|override|final|mutable|&&?|->[^;]*|requires.*", "", head[close + 1 :])
    if tail.strip() == "":
        return True
    # `: member_{...} {`: the last brace follows an initializer that is complete.
    return head.rstrip().endswith("{}") and bool(re.search(r"\)\s*(?:noexcept\s*)?:[^:]", head))


def classes(text: str) -> Iterator[Class]:
    yield from scan(text)[0]


def functions(text: str) -> Iterator[Function]:
    yield from scan(text)[1]
