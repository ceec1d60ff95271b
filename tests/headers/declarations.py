"""Finds the public functions of a header and the comments that document them. It reads the repository's style of C++,
not all of C++: clang-format has been over it, and every declaration has its comment above it."""

from __future__ import annotations

import re
from dataclasses import dataclass

HIDDEN = {"internal", "detail"}
ACCESS = re.compile(r"^(public|protected|private)\s*$")
CLASS = re.compile(r"^(?:template\s*<.*?>\s*(?:requires\b.*?\)\s*)?)?(class|struct|union)\b(?:\s*\[\[[^\]]*\]\])?\s+([\w:]+)")
NOT_A_FUNCTION = re.compile(r"^(using|typedef|friend|static_assert|extern template|enum|concept)\b")


@dataclass
class Function:
    name: str
    returns: str
    line: int
    comment: str  # its own, or that of the group it stands in
    of: Class | None
    override: bool


@dataclass
class Class:
    name: str
    line: int
    comment: str
    outer: Class | None
    specialisation: bool  # its functions are those of the primary template

    def comments(self) -> str:
        return self.comment + "\n" + (self.outer.comments() if self.outer else "")


@dataclass
class Scope:
    kind: str  # namespace, class
    public: bool
    of: Class | None = None
    group: str = ""  # the comment of the declaration above, when no blank line stands between
    group_end: int = -1


class Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.functions: list[Function] = []
        self.classes: list[Class] = []
        self.comment, self.comment_end = "", -2

    def line(self, at: int | None = None) -> int:
        return self.text.count("\n", 0, self.at if at is None else at) + 1

    def skip_string(self, quote: str) -> None:
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != quote:
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1

    def skip_atom(self) -> bool:
        """Skips a string, a character or a comment inside code; False when there is none here."""
        here = self.text[self.at]
        if self.text.startswith("//", self.at):
            self.at = (self.text.find("\n", self.at) + len(self.text) + 1) % (len(self.text) + 1)
        elif self.text.startswith("/*", self.at):
            self.at = self.text.index("*/", self.at) + 2
        elif here == '"' or (here == "'" and not self.text[self.at - 1].isalnum()):
            self.skip_string(here)
        else:
            return False
        return True

    def skip_braces(self) -> None:
        depth = 0
        while self.at < len(self.text):
            if self.skip_atom():
                continue
            here = self.text[self.at]
            self.at += 1
            depth += {"{": 1, "}": -1}.get(here, 0)
            if depth == 0:
                return

    def read_comment(self, scope: Scope) -> None:
        begin, line = self.at, self.line()
        trailing = self.text[self.text.rfind("\n", 0, begin) + 1 : begin].strip() != ""
        self.skip_atom()
        body = self.text[begin : self.at].strip()
        if trailing:
            if self.functions and self.line(begin) == scope.group_end:
                self.functions[-1].comment += "\n" + body
        elif self.comment_end == line - 1:
            self.comment, self.comment_end = self.comment + "\n" + body, self.line(begin)
        else:
            self.comment, self.comment_end = body, self.line(begin)

    def own_comment(self, scope: Scope, begin: int) -> str:
        line = self.line(begin)
        own = self.comment if self.comment_end == line - 1 else ""
        if not own and scope.group_end == line - 1:
            own = scope.group
        return own

    def declared(self, scope: Scope, text: str, begin: int) -> None:
        comment = self.own_comment(scope, begin)
        scope.group, scope.group_end = comment, self.line(max(begin, self.at - 1))
        code = re.sub(r"\[\[[^\]]*\]\]", " ", text)
        code = re.sub(r"^\s*template\s*<[^;]*?>\s*(?=\[|\w)(?!class\b|typename\b)", "", " ".join(code.split()))
        if not scope.public or NOT_A_FUNCTION.match(code) or "operator" in code:
            return
        flat = without_templates(code)
        head = flat.partition("(")[0]
        if "(" not in flat or "=" in head or code.endswith(("= delete", "= default")):
            return
        found = re.search(r"(~?\w+)\s*$", head)
        returns = head[: found.start()].strip() if found else ""
        if found and head[: found.start()].endswith("::"):
            return  # the definition of a member that its class declares
        if not found or not returns or found[1].startswith("~") or returns in {"explicit", "virtual", "constexpr"}:
            return  # constructors and destructors return nothing
        full = code.partition(found[1] + "(")[0]
        self.functions.append(
            Function(found[1], full.strip(), self.line(begin), comment, scope.of,
                     re.search(r"\b(override|final)\b", flat.rpartition(")")[2]) is not None)
        )  # fmt: skip

    def opened(self, scope: Scope, text: str, begin: int) -> bool:
        """At a brace: reads a namespace or a class. False: something else, whose braces are to be skipped."""
        code = " ".join(text.split())
        if space := re.match(r"^(?:inline )?namespace ?([\w:]*)$|^extern \"C\"$", code):
            self.at += 1
            self.read(Scope("namespace", public=(space[1] or "").split("::")[-1] not in HIDDEN and scope.public))
            return True
        found = CLASS.match(code)
        if found and "(" not in without_templates(code[found.end(2) :]).partition(":")[0]:
            special = code[found.end(2) :].lstrip().startswith("<")
            kind = Class(found[2], self.line(begin), self.own_comment(scope, begin), scope.of, special)
            if scope.public:
                self.classes.append(kind)
            self.at += 1
            self.read(Scope("class", found[1] != "class" and scope.public, kind), shown=scope.public)
            return True
        return False

    def read(self, scope: Scope, shown: bool = True) -> None:
        text, begin, depth = "", -1, 0
        while self.at < len(self.text):
            here = self.text[self.at]
            if here == "#" and begin < 0:
                while self.text[self.at : self.at + 1] not in ("\n", ""):
                    self.at += 2 if self.text[self.at] == "\\" else 1
                continue
            if self.text.startswith(("//", "/*"), self.at):
                self.read_comment(scope) if begin < 0 else self.skip_atom()
                continue
            if here.isspace() and begin < 0:
                self.at += 1
                continue
            if here == "}" and depth == 0:
                self.at += 1
                return
            begin = self.at if begin < 0 else begin
            if here in "\"'":
                start = self.at
                if self.skip_atom():
                    text += self.text[start : self.at]
                    continue
            if here == "{" and depth == 0:
                if self.opened(scope, text, begin):
                    text, begin = ("", -1) if scope.kind == "namespace" and self.text[self.at : self.at + 1] != ";" else (" ", begin)
                    if begin >= 0 and self.text[self.at : self.at + 1] == ";":
                        self.at, text, begin = self.at + 1, "", -1
                    elif begin >= 0:
                        text, begin = "", -1
                    continue
                self.skip_braces()
                rest = self.text[self.at :].lstrip()
                if not rest.startswith((";", ",", "{", ")")):
                    self.declared(scope, text, begin)
                    text, begin = "", -1
                continue
            self.at += 1
            depth += {"(": 1, ")": -1}.get(here, 0)
            if here == ":" and ACCESS.match(text.strip()) and depth == 0:
                scope.public = shown and text.strip() == "public"
                text, begin, scope.group_end = "", -1, -1
            elif here == ";" and depth == 0:
                self.declared(scope, text, begin)
                text, begin = "", -1
            else:
                text += here


def without_templates(code: str) -> str:
    """The text without what stands in angle brackets."""
    code = code.replace("->", "  ").replace("<=", "  ").replace("<<", "  ").replace(">=", "  ")
    before = None
    while before != code:
        before, code = code, re.sub(r"<[^<>]*>", "", code)
    return code


def read(text: str) -> Reader:
    reader = Reader(text)
    reader.read(Scope("namespace", public=True))
    return reader
