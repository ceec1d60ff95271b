"""The house rules as tests. Every rule is one test case per library or file set, reported as JUnit.

check_layering.py [--root FOLDER] [--junit FILE]: prints what breaks a rule as file:line: message; exit code 1 then.
The include table is read from ARCHITECTURE.md, where people read it too.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator

TABLE_BEGIN = "<!-- include table: read by tests/layering -->"
TABLE_END = "<!-- end of include table -->"
TEST_LIBRARIES = ("emulators", "simulation")  # any test may use them
FOLDERS = ("include", "src", "tests", "tools")  # of a library; tools/ holds programs that the build runs
EVERYTHING_BELOW = "everything above"
LINES_MAX = 700
SOURCE_SUFFIXES = {".h", ".cc", ".rs", ".py", ".sh", ".cmake"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Third parties a library may include in src/ and tests/, by prefix; public headers include none of them.
THIRD_PARTIES = (
    "boost/", "nlohmann/", "yaml-cpp/", "CLI/", "spdlog/", "fmt/", "openssl/", "zlib.h", "zstd.h", "snappy-c.h",
    "librdkafka/", "rdkafka.h", "rdkafka_mock.h",
)  # fmt: skip
TEST_ONLY_THIRD_PARTIES = ("fixtures/", "gtest/", "gmock/", "benchmark/")
SYSTEM = re.compile(r"^[a-z0-9_]+$|^(sys|netinet|arpa|linux|net)/[a-z0-9_]+\.h$|^[a-z0-9_]+\.h$")
# Split, so that this file does not break its own rule.
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + r"ME|XX" + r"X|HA" + r"CK|not impl" + "emented|unimpl" + r"emented)\b")
MACHINE = re.compile(r"(?<![\w.~$}])/(?:work|root|farm|home/\w+)/")
REGISTRIES = re.compile(
    r"\b(repo1?\.maven(?:\.apache)?\.org|pypi\.org|files\.pythonhosted\.org|crates\.io/api|static\.crates\.io"
    r"|index\.crates\.io|deb\.debian\.org|registry\.npmjs\.org|proxy\.golang\.org)\b"
)


class Tree:
    """The files of a source tree that version control would keep."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        names = [pathlib.PurePosixPath(name) for name in listed.stdout.split("\0") if name]
        fixtures = pathlib.PurePosixPath("tests/layering/fixture")
        self.files = sorted(name for name in set(names) if fixtures not in name.parents and (root / name).is_file())
        self.tables = include_table((root / "ARCHITECTURE.md").read_text())

    def text(self, name: pathlib.PurePosixPath) -> str:
        return (self.root / name).read_text(errors="replace")

    def under(self, *folders: str, suffixes: set[str]) -> Iterator[pathlib.PurePosixPath]:
        for name in self.files:
            if name.suffix in suffixes and any(name.is_relative_to(folder) for folder in folders):
                yield name

    def libraries(self) -> list[str]:
        return sorted({name.parts[1] for name in self.files if len(name.parts) > 2 and name.parts[0] == "libs"})


def include_table(page: str) -> dict[str, set[str]]:
    """Rows `| names | may include | ... |` between the markers; names are separated by commas."""
    try:
        rows = page.split(TABLE_BEGIN)[1].split(TABLE_END)[0]
    except IndexError:
        sys.exit("ARCHITECTURE.md has no include table between its markers")
    table: dict[str, set[str]] = {}
    for row in rows.splitlines():
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if len(cells) < 2 or set(cells[0]) <= {"-", " ", ":"} or cells[0] == "library":
            continue
        for name in re.findall(r"[a-z]+", cells[0]):
            words = cells[1].split(" except ")
            allowed = set(table) if words[0].startswith(EVERYTHING_BELOW) else set(re.findall(r"[a-z]+", words[0]))
            excluded = set(re.findall(r"[a-z]+", words[1])) if len(words) > 1 else set()
            table[name] = (allowed - excluded - {"none"}) | {name}
    return table


def part_of(name: pathlib.PurePosixPath) -> str:
    return name.parts[1] if name.parts[0] == "libs" else name.parts[0]


def includes(tree: Tree, name: pathlib.PurePosixPath) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(tree.text(name).splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found[1], found[2]


def check_edges(tree: Tree, part: str) -> Iterator[str]:
    folder = f"libs/{part}" if part in tree.libraries() else part
    allowed = tree.tables.get(part)
    if allowed is None:
        yield f"{folder}: not in the include table of ARCHITECTURE.md"
        return
    for name in tree.under(folder, suffixes={".h", ".cc"}):
        for number, _, header in includes(tree, name):
            used = re.match(r"millrace/([a-z]+)/", header)
            if used and used[1] not in allowed and not (used[1] in TEST_LIBRARIES and "tests" in name.parts):
                yield f"{name}:{number}: {part} may not include {used[1]} ({header})"
            if re.search(r"(^|/)\.\./", header):
                yield f"{name}:{number}: an include leaves its folder ({header})"


def check_third_parties(tree: Tree, library: str) -> Iterator[str]:
    for name in tree.under(f"libs/{library}", suffixes={".h", ".cc"}):
        allowed = ("millrace/",)
        if name.parts[2] != "include":
            allowed += THIRD_PARTIES
        if name.parts[2] == "tests":
            allowed += TEST_ONLY_THIRD_PARTIES
        for number, bracket, header in includes(tree, name):
            if bracket == "<" and not header.startswith(allowed) and (
                not SYSTEM.match(header) or header.startswith(THIRD_PARTIES)
            ):  # fmt: skip
                yield f"{name}:{number}: <{header}> may not be included here"


def check_skeleton(tree: Tree, library: str) -> Iterator[str]:
    base = pathlib.PurePosixPath("libs") / library
    for wanted in ("README.md", "CMakeLists.txt"):
        if base / wanted not in tree.files:
            yield f"{base}: {wanted} is missing"
    for wanted in (f"include/millrace/{library}", "tests"):
        if not any((base / wanted) in name.parents for name in tree.files):
            yield f"{base}: {wanted}/ is missing or empty"
    for name in tree.files:
        if base in name.parents and name.suffix in (".h", ".cc"):
            if name.parts[2] not in FOLDERS or (
                name.parts[2] == "include" and name.parts[3:5] != ("millrace", library)
            ):
                yield f"{name}: belongs into include/millrace/{library}, src, tests or tools"


def declared_depends(tree: Tree, library: str) -> set[str]:
    """Of all the library's targets: DEPENDS of millrace_library, and millrace::NAME wherever it is linked."""
    folder = pathlib.PurePosixPath("libs") / library
    depends: set[str] = set()
    for name in tree.files:
        if folder in name.parents and (name.suffix == ".cmake" or name.name == "CMakeLists.txt"):
            text = re.sub(r"#.*", "", tree.text(name))
            for call in re.findall(r"millrace_library\(([^)]*)\)", text):
                listed = re.search(r"\bDEPENDS\b([^A-Z]*)", call)
                depends |= set(listed[1].split()) if listed else set()
            # Tests link the test libraries; that no source includes them is the table's matter.
            depends |= {linked for linked in re.findall(r"\bmillrace::(\w+)", text) if linked not in TEST_LIBRARIES}
    return {name for name in depends if name != library and not name.startswith(f"{library}_")}


def check_depends(tree: Tree, library: str) -> Iterator[str]:
    file = f"libs/{library}/CMakeLists.txt"
    if pathlib.PurePosixPath(file) not in tree.files:
        return  # the skeleton's finding
    declared = declared_depends(tree, library)
    for extra in sorted(declared - tree.tables.get(library, set())):
        yield f"{file}: depends on {extra}, which the include table does not allow"
    used = set()
    for name in tree.under(f"libs/{library}/include", f"libs/{library}/src", suffixes={".h", ".cc"}):
        used |= {m[1] for _, _, header in includes(tree, name) if (m := re.match(r"millrace/([a-z]+)/", header))}
    for missing in sorted(used - declared - {library}):
        yield f"{file}: includes {missing}, which DEPENDS does not name"


def check_length(tree: Tree) -> Iterator[str]:
    for name in tree.files:
        if name.suffix in SOURCE_SUFFIXES or name.name == "dev":
            lines = tree.text(name).count("\n")
            if lines > LINES_MAX:
                yield f"{name}: {lines} lines, {LINES_MAX} is the most"


def check_lines(tree: Tree, pattern: re.Pattern[str], message: str, suffixes: set[str]) -> Iterator[str]:
    for name in tree.files:
        if name.suffix in suffixes or name.name in ("dev", "run", "CMakeLists.txt"):
            for number, line in enumerate(tree.text(name).splitlines(), 1):
                if found := pattern.search(line):
                    yield f"{name}:{number}: {message}: {found[0].strip()}"


def check_table(tree: Tree) -> Iterator[str]:
    """The table has no cycle: a row names only rows above it."""
    seen: set[str] = set()
    for name, allowed in tree.tables.items():
        for below in sorted(allowed - seen - {name}):
            yield f"ARCHITECTURE.md: {name} may include {below}, which is not above it in the table"
        seen.add(name)


def checks(tree: Tree) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
    yield "the include table has no cycle", lambda: check_table(tree)
    for library in tree.libraries():
        yield f"{library} includes only what the table allows", lambda part=library: check_edges(tree, part)
        yield f"{library} keeps third parties inside src", lambda part=library: check_third_parties(tree, part)
        yield f"{library} has the skeleton", lambda part=library: check_skeleton(tree, part)
        yield f"{library} declares what it includes", lambda part=library: check_depends(tree, part)
    for part in ("apps", "examples"):
        if any(tree.under(part, suffixes={".h", ".cc"})):
            yield f"{part} include only what the table allows", lambda part=part: check_edges(tree, part)
    prose = SOURCE_SUFFIXES | {".md", ".toml", ".xml", ".yaml", ".yml", ".json", ".txt"}
    yield "no file is too long", lambda: check_length(tree)
    yield "nothing is marked as unfinished", lambda: check_lines(tree, UNFINISHED, "unfinished", SOURCE_SUFFIXES)
    yield "no machine path", lambda: check_lines(tree, MACHINE, "path of one machine", prose)
    yield "no registry host", lambda: check_lines(tree, REGISTRIES, "host of a registry", prose - {".md"})


def write_junit(file: pathlib.Path, results: list[tuple[str, list[str]]]) -> None:
    suite = xml.Element("testsuite", name="layering")
    for name, findings in results:
        case = xml.SubElement(suite, "testcase", name=name)
        if findings:
            xml.SubElement(case, "failure", message=findings[0]).text = "\n".join(findings)
    file.parent.mkdir(parents=True, exist_ok=True)
    xml.ElementTree(suite).write(file, encoding="unicode")


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the house rules of this source tree.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--junit", type=pathlib.Path)
    arguments = parser.parse_args()
    tree = Tree(arguments.root)
    results = [(name, sorted(set(check()))) for name, check in checks(tree)]
    if arguments.junit:
        write_junit(arguments.junit, results)
    findings = [finding for _, found in results for finding in found]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
