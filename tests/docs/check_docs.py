"""Checks the manual. Prints one line per finding; silent and 0 when there is none.

  phrase    a private word where the glossary of CONTRIBUTING.md has the field's term (phrases.py): in Markdown, public
            headers, descriptions of settings, help of metrics and options, messages, and the texts of alerts and panels
  fragment  a description of a setting, metric or option that begins with neither a noun nor a verb
  nominal   a sentence of Markdown or of a public header that begins with a nominal "What ..."
  path      a back-ticked path in Markdown that is not in the tree, or a path below docs/ that a source names
  command   `./dev NAME` or `millrace NAME` that does not exist
  setting   `section.key` that the configuration does not have
  metric    `millrace_*` that is neither a metric nor a name of the build or of an example
  link      a relative link whose target, or whose heading, does not exist

CHANGELOG.md names what was; it is checked for links only. The glossary and docs/decisions may quote rejected phrases.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import fnmatch
import functools
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import phrases

SOURCE_SUFFIXES = (".h", ".cc", ".py", ".rs", ".sh", ".md", ".cmake", ".cql", ".avsc", ".go", ".java", ".toml", ".html")
OTHER_SUFFIXES = (".yaml", ".yml", ".json", ".svg", ".txt", ".xml", ".csv", ".dict", ".mod", ".sum")
# Paths of a user's project, of a build and of other repositories.
FOREIGN = ("orders/", "build/", "PREFIX/", "github.com/", "prometheus.io/", "include/millrace/native/")
SECTIONS = ("kafka", "registry", "cql", "lookups", "engine", "admin", "log", "metrics", "tap", "tracing")
FREE_SETTINGS = ("kafka.properties.", "kafka.producer_properties.", "engine.outputs.", "registry.headers.")
COMMAND_GROUPS = ("avro", "dlq", "config", "offsets")
GLOSSARY = "## Glossary"


class Finding(collections.namedtuple("Finding", "file line kind text")):
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.text}"


class Tree:
    """The files that git keeps, or would keep; all files where there is no git."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.files = sorted(name for name in self.listed() if (root / name).is_file())
        self.known = set(self.files)
        for name in self.files:
            self.known |= {str(parent) for parent in pathlib.PurePosixPath(name).parents}
        self.by_last: dict[str, list[str]] = collections.defaultdict(list)
        for name in self.known:
            self.by_last[name.rsplit("/", 1)[-1]].append(name)
        self.tops = {name.split("/", 1)[0] for name in self.files if "/" in name}
        self.texts: dict[str, str] = {}

    def listed(self) -> list[str]:
        if (self.root / ".git").exists():
            listing = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.rstrip("\0").split("\0")
        return [str(path.relative_to(self.root)) for path in self.root.rglob("*")]

    def text(self, name: str) -> str:
        if name not in self.texts:
            self.texts[name] = (self.root / name).read_text(errors="replace")
        return self.texts[name]

    def matching(self, *patterns: str) -> list[str]:
        return [name for name in self.files if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]

    def joined(self, *patterns: str) -> str:
        return "\n".join(self.text(name) for name in self.matching(*patterns))

    def has(self, path: str, beside: str) -> bool:
        """Whether `path` is in the tree: from the top, from the folder of `beside`, or as the end of a longer path."""
        path = re.sub(r"(?<![A-Za-z_])[A-Z]{2,}(?![A-Za-z_])", "*", path.strip("/"))
        path = re.sub(r"\{[^}]*\}", "*", path)
        here = pathlib.PurePosixPath(beside).parent
        while path.startswith("../"):
            path, here = path[3:], here.parent
        if path in self.known or str(here / path) in self.known:
            return True
        last = path.rsplit("/", 1)[-1]
        if "*" not in path:
            return any(name == path or name.endswith("/" + path) for name in self.by_last[last])
        return any(fnmatch.fnmatchcase(name, path) or fnmatch.fnmatchcase(name, "*/" + path) for name in self.known)


class Text:
    """A text with the lines of its offsets."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def line(self, offset: int) -> int:
        return bisect.bisect_right(self.starts, offset)


@functools.cache
def compiled() -> list[tuple[re.Pattern[str], str]]:
    """A space outside of a character class also matches a line break and the comment marker behind it."""
    return [(re.compile(re.sub(r" (?![^\[]*\])", r"[\\s/#]+", each), re.I), term) for each, term in phrases.PHRASES]


def rejected(text: Text, begin: int = 0, end: int | None = None) -> Iterator[Finding]:
    for pattern, term in compiled():
        for found in pattern.finditer(text.text, begin, len(text.text) if end is None else end):
            said = re.sub(r"[\s/#]+", " ", found.group()).strip()
            yield Finding(text.name, text.line(found.start()), "phrase", f'"{said}": write {term}')


LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def literals(text: Text) -> Iterator[tuple[int, str]]:
    """String literals of C++ or Python with the line where each begins; adjacent ones are one."""
    begin, parts, after = 0, [], -1
    for found in LITERAL.finditer(text.text):
        if parts and text.text[after : found.start()].strip() == "":
            parts.append(found.group(1))
        else:
            if parts:
                yield begin, "".join(parts)
            begin, parts = text.line(found.start()), [found.group(1)]
        after = found.end()
    if parts:
        yield begin, "".join(parts)


def in_literals(text: Text) -> Iterator[Finding]:
    for line, said in literals(text):
        if " " in said:
            for found in rejected(Text(text.name, said)):
                yield found._replace(line=line)


DESCRIBED = re.compile(r'\.(?:doc|help)\(\s*((?:"(?:[^"\\\n]|\\.)*"\s*)+)\)')


def fragments(text: Text) -> Iterator[Finding]:
    for found in DESCRIBED.finditer(text.text):
        said = "".join(LITERAL.findall(found.group(1)))
        for pattern, term in phrases.FRAGMENTS:
            if re.search(pattern, said):
                yield Finding(text.name, text.line(found.start(1)), "fragment", f'"{said[:40]}": {term}')


NOMINAL = re.compile(r"(?:^[#*|/> ]*|[.:;][\s/#]+|\| )((?:What|Who)[\s/#]+[a-z][^.;|?]*([.;|?]|\Z))", re.M)


def nominal(text: Text) -> Iterator[Finding]:
    for found in NOMINAL.finditer(FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block.group()), text.text)):
        if found.group(2) != "?":
            said = " ".join(re.sub(r"[\s/#]+", " ", found.group(1)).split()[:5])
            yield Finding(text.name, text.line(found.start(1)), "nominal", f'"{said} ...": a noun or a verb first')


def all_phrases(tree: Tree) -> Iterator[Finding]:
    for name in tree.matching("*.md"):
        if name == "CHANGELOG.md" or name.startswith("docs/decisions/"):
            continue
        text = Text(name, tree.text(name))
        yield from nominal(text)
        begin = text.text.find(GLOSSARY)
        if begin < 0:
            yield from rejected(text)
            continue
        end = text.text.find("\n## ", begin + 1)
        yield from rejected(text, 0, begin)
        yield from rejected(text, len(text.text) if end < 0 else end)
    for name in tree.matching("libs/*/include/*.h", "native/include/*.h", "libs/app/src/*.html"):
        text = Text(name, tree.text(name))
        yield from rejected(text)
        yield from nominal(text)
    for name in tree.matching("libs/*/src/*.cc", "libs/*/src/*.h", "apps/*.cc", "apps/*.h", "tools/observability/*.py"):
        if "/tests/" not in name:
            text = Text(name, tree.text(name))
            yield from in_literals(text)
            yield from fragments(text)


SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)


def spans(text: Text) -> Iterator[tuple[int, str]]:
    """The back-ticked spans outside of code blocks, and the lines of code blocks that run a command of this project."""
    prose = FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text.text)
    for found in SPAN.finditer(prose):
        yield text.line(found.start()), " ".join(found.group(1).split())
    for block in FENCE.finditer(text.text):
        at = block.start(3)
        for line in block.group(3).splitlines(keepends=True):
            command = re.match(r"(?:\$ )?((?:\./dev|millrace) [a-z].*)", line)
            if command:
                yield text.line(at), command.group(1)
            at += len(line)


def dev_commands(tree: Tree) -> set[str]:
    if "dev" not in tree.known:
        return set()
    cases = re.search(r"^case \$command in$(.*?)^esac$", tree.text("dev"), re.M | re.S)
    names = re.findall(r"^  ([a-z-]+(?: \| [a-z-]+)*)\)", cases.group(1) if cases else "", re.M)
    return {name for each in names for name in each.split(" | ")}


def program_commands(tree: Tree) -> set[str]:
    """From the generated reference, and from the sources that declare them."""
    reference = "docs/reference/command-line.md"
    named = set()
    if reference in tree.known:
        for found in re.findall(r"`(?:millrace|APP|APPLICATION) ([a-z -]+)", tree.text(reference)):
            named |= set(found.split())
    sources = tree.joined("apps/*.cc", "apps/*.h", "libs/app/src/*.cc", "libs/app/src/*.h", "libs/tools/*.cc", "libs/tools/*.h")
    named |= set(re.findall(r'(?:add_subcommand|subcommand|command|with_config)\(\s*"([a-z-]+)"', sources))
    named |= set(re.findall(r'\{\s*"([a-z-]+)",\s*"[A-Z]', sources))
    return named | set(re.findall(r'\.name = "([a-z-]+)"', sources))


def referenced_settings(page: str) -> set[str]:
    """A section is a heading with its back-ticked path, a setting a row of the table below it."""
    named, section = set(), ""
    for line in page.splitlines():
        heading = re.match(r"#+ (?:`([a-z_0-9.\[\]]+)`)?", line)
        if heading:
            section = re.sub(r"\[[^\]]*\]", "", heading.group(1) or "")
            named |= {section} - {""}
        row = re.match(r"\| `([a-z_0-9.]+)`", line)
        if row:
            named.add(f"{section}.{row.group(1)}".lstrip("."))
    return named


def settings(tree: Tree) -> set[str]:
    """Every `section.key`: from the generated reference, or from the field specs."""
    reference = "docs/reference/configuration.md"
    if reference in tree.known:
        return referenced_settings(tree.text(reference))
    text = tree.joined("libs/app/src/*.cc")
    starts = [(found.start(), found.group(1)) for found in re.finditer(r"spec<[\w:]+>& (\w+)\(\) \{", text)]
    fields: dict[str, list[tuple[str, str | None]]] = collections.defaultdict(list)
    for found in re.finditer(r'(?:field|sections?)\(\s*&[\w:]+,\s*"(\w+)"(?:,\s*(\w+)\(\))?', text):
        owner = [name for start, name in starts if start < found.start()]
        if owner:
            fields[owner[-1]].append((found.group(1), found.group(2)))

    def expand(spec: str, prefix: str) -> Iterator[str]:
        for name, below in fields[spec]:
            yield prefix + name
            if below:
                yield from expand(below, prefix + name + ".")

    return set(expand("app_spec", ""))


def metrics(tree: Tree) -> set[str]:
    page = tree.joined("docs/metrics.md", "docs/reference/metrics.md")
    return set(re.findall(r"^### `(millrace_[a-z0-9_]+)`", page, re.M))


def other_names(tree: Tree) -> set[str]:
    """Names that begin with `millrace_` and are no metrics: of the build, of keyspaces, of the settings of tests."""
    build = tree.joined("*CMakeLists.txt", "cmake/*", "*.cql", "apps/millrace/demo/*", "libs/workload/*", "*.sh", "tests/*.py")
    return set(re.findall(r"\bmillrace_[a-z0-9_]+", build)) - metrics(tree)


class Names:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.dev, self.program = dev_commands(tree), program_commands(tree)
        self.settings, self.metrics, self.others = settings(tree), metrics(tree), other_names(tree)
        self.prefixes = {".".join(name.split(".")[:n]) for name in self.settings for n in range(1, name.count(".") + 2)}

    def problem(self, span: str, beside: str) -> tuple[str, str] | None:
        words = span.split()
        if words[0] == "./dev":
            return self.dev_problem(words)
        if words[0] == "millrace" and len(words) > 1:
            return self.program_problem(words)
        named = re.match(r"millrace_[a-z0-9_]+", span)
        if named:
            return self.metric_problem(named.group(), span)
        setting = re.match(rf"(?:{'|'.join(SECTIONS)})(?:\.[a-z_0-9]+)+(?=$|[:= ])", span)
        if setting and not span.endswith((*SOURCE_SUFFIXES, *OTHER_SUFFIXES)):
            exists = setting.group() in self.prefixes or setting.group().startswith(FREE_SETTINGS)
            return None if exists else ("setting", f"`{setting.group()}` is not a setting")
        if len(words) == 1 and self.is_path(span) and not self.tree.has(span.split(":")[0], beside):
            return "path", f"`{span}` is not in the tree"
        return None

    def dev_problem(self, words: list[str]) -> tuple[str, str] | None:
        if len(words) < 2 or not re.fullmatch(r"[a-z-]+", words[1]) or words[1] in self.dev:
            return None
        return "command", f"`./dev {words[1]}` is not a command"

    def program_problem(self, words: list[str]) -> tuple[str, str] | None:
        if not re.fullmatch(r"[a-z-]+", words[1]):
            return None
        if words[1] not in self.program:
            return "command", f"`millrace {words[1]}` is not a command"
        if words[1] in COMMAND_GROUPS and len(words) > 2 and re.fullmatch(r"[a-z-]+", words[2]) and words[2] not in self.program:
            return "command", f"`millrace {words[1]} {words[2]}` is not a command"
        return None

    def metric_problem(self, name: str, span: str) -> tuple[str, str] | None:
        base = re.sub(r"_(?:bucket|count|sum)$", "", name)
        if {name, base} & (self.metrics | self.others):
            return None
        rest = span[len(name) :]
        if (rest.startswith(("*", "…", "{")) or name.endswith("_")) and any(each.startswith(name) for each in self.metrics):
            return None
        return "metric", f"`{name}` is neither a metric nor a name of the build"

    def is_path(self, span: str) -> bool:
        if not re.fullmatch(r"[A-Za-z0-9_.{},*/-]+(?::\d+)?", span):
            return False
        if span.startswith(("/", "~", "-", "*.", ".", "http")) and not span.startswith(("../", "./")):
            return False
        if span.startswith(FOREIGN) or span.endswith(".avsc.h"):
            return False
        if "/" in span:
            first = span.split("/", 1)[0]
            return first in self.tree.tops or first == ".." or span.endswith(SOURCE_SUFFIXES)
        return span.endswith(SOURCE_SUFFIXES) and not span.startswith("*")


def all_names(tree: Tree) -> Iterator[Finding]:
    names = Names(tree)
    for name in tree.matching("*.md"):
        if name == "CHANGELOG.md":
            continue
        text = Text(name, tree.text(name))
        for line, span in spans(text):
            problem = names.problem(span, name)
            if problem:
                yield Finding(name, line, *problem)


def named_documents(tree: Tree) -> Iterator[Finding]:
    """Pages that sources and prose name without back-ticks."""
    for name in tree.matching("*.h", "*.cc", "*.py", "*.sh", "*.rs", "*.md", "dev", "*CMakeLists.txt", "*.cmake"):
        if name == "CHANGELOG.md" or name.startswith("tests/docs/"):
            continue
        text = Text(name, tree.text(name))
        for found in re.finditer(r"(?<![\w/.`(])docs/[A-Za-z0-9_/-]+\.(?:md|svg|json)\b", text.text):
            if found.group() not in tree.known:
                yield Finding(name, text.line(found.start()), "path", f"{found.group()} is not in the tree")


LINK = re.compile(r"\]\(([^)\s]+)\)")


def slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@functools.cache
def headings(text: str) -> frozenset[str]:
    return frozenset(slug(found) for found in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.M))


def links(tree: Tree) -> Iterator[Finding]:
    for name in tree.matching("*.md"):
        text = Text(name, tree.text(name))
        prose = FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text.text)
        for found in LINK.finditer(prose):
            target, _, heading = found.group(1).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            path = name if not target else normal(pathlib.PurePosixPath(name).parent / target)
            line = text.line(found.start())
            if path not in tree.known:
                yield Finding(name, line, "link", f"{found.group(1)} does not resolve")
            elif heading and path.endswith(".md") and heading not in headings(tree.text(path)):
                yield Finding(name, line, "link", f"{found.group(1)}: no such heading")


def normal(path: pathlib.PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def check(root: pathlib.Path) -> list[Finding]:
    tree = Tree(root)
    found = [*all_phrases(tree), *all_names(tree), *named_documents(tree), *links(tree)]
    return sorted(set(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--summary", action="store_true", help="print the number of findings of each kind")
    arguments = parser.parse_args()
    found = check(arguments.root)
    for each in found:
        print(each)
    if arguments.summary:
        print(dict(collections.Counter(each.kind for each in found)), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
