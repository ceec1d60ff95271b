"""The house rules as tests. Every rule is one test case per library or file set, reported as JUnit.

check_layering.py [--root FOLDER] [--junit FILE]: prints what breaks a rule as file:line: message; exit code 1 then.
check_layering.py --report: prints what the checks of size measure.
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

import cxx
import units

TABLE_BEGIN = "<!-- include table: read by tests/layering -->"
TABLE_END = "<!-- end of include table -->"
TEST_LIBRARIES = ("emulators", "simulation")  # any test may use them
FOLDERS = ("include", "src", "tests", "tools")  # of a library; tools/ holds programs that the build runs
EVERYTHING_BELOW = "everything above"
LINES_MAX = 700
METHODS_MAX = 45  # of a class
FUNCTION_LINES_MAX = 70
CYCLE_UNITS_MAX = 2  # of the header+source units of a library that include each other
# What is larger, with its size today. An entry may only shrink: it fails with a larger size, with a smaller one
# (write the new one here) and when it is within the limit (remove it).
LARGER_CLASSES = {
    "libs/avro/src/plan/compiler.h plan_compiler": 60,
    "libs/kafka/src/group_member.h group_member": 56,
}
LONGER_FUNCTIONS = {
    "libs/app/src/registry_settings.cc registry_spec": 77,
    "libs/avro/src/run/interpreter.cc run": 349,
    "libs/avro/src/schema/derived_schema.cc derive": 72,
    "libs/cql/include/millrace/cql/fields.h fields_of": 104,
}
# The headers of another part that a file includes in quotes; this list, too, may only shrink.
BORROWED_HEADERS = {
    # The decoder that the codec is compared with is written by hand on the codec's own primitives.
    "bench/avro/straight_line.cc": {"run/utf8.h", "run/uuid_text.h", "run/wire_read.h"},
}
WHOLE_TREE_PARTS = {"tests/headers"}  # compiles an example of every public header
CODE_FOLDERS = ("libs", "apps", "bench", "examples", "native")
PUBLISHED_SOURCES = {"libs/avro/CMakeLists.txt": {"millrace_avro_wire"}}  # for them: targets that export src/
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
        # False in the trees of self_test.py: the lists of exceptions name files of this repository.
        self.whole = pathlib.PurePosixPath("tests/layering/check_layering.py") in self.files

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


def own_part(name: pathlib.PurePosixPath) -> pathlib.PurePosixPath:
    """The folder in which a file may name others by path: libs/LIB, apps/APP, bench/NAME, tests/NAME."""
    depth = 2 if name.parts[0] in ("libs", "apps", "bench", "examples", "tests") and len(name.parts) > 2 else 1
    return pathlib.PurePosixPath(*name.parts[:depth]) if len(name.parts) > 1 else pathlib.PurePosixPath(".")


def check_quoted(tree: Tree) -> Iterator[str]:
    """A quoted include names a file of the own part, or a header that is generated from one of its files."""
    borrowed: dict[str, set[str]] = {}
    for name in tree.under("libs", "apps", "bench", "examples", "tests", "native", suffixes={".h", ".cc"}):
        part = own_part(name)
        own = [str(other) for other in tree.files if other.is_relative_to(part)]
        for number, bracket, header in includes(tree, name):
            sources = (header, f"{header}.in", header.removesuffix(".h") if header.endswith(".avsc.h") else header)
            if bracket != '"' or any(one.endswith(f"/{source}") for one in own for source in sources):
                continue
            if header in BORROWED_HEADERS.get(str(name), set()):
                borrowed.setdefault(str(name), set()).add(header)
            else:
                yield f"{name}:{number}: \"{header}\" is not a file of {part}"
    for name, headers in BORROWED_HEADERS.items():
        if tree.whole:
            for header in sorted(headers - borrowed.get(name, set())):
                yield f"{name}: no longer includes \"{header}\": remove it from BORROWED_HEADERS"


def check_build_files(tree: Tree) -> Iterator[str]:
    """CMake names files and include folders of the own part only; what others offer comes with their targets."""
    for name in tree.files:
        if name.suffix != ".cmake" and name.name != "CMakeLists.txt":
            continue
        part = own_part(name)
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            line = line.split("#")[0]
            for path in re.findall(r"\$\{(?:PROJECT|CMAKE)_(?:SOURCE|BINARY)_DIR\}/([\w./-]+)", line):
                inside = pathlib.PurePosixPath(path).is_relative_to(part) or str(part) in (".", *WHOLE_TREE_PARTS)
                if path.split("/")[0] in CODE_FOLDERS and not inside:
                    yield f"{name}:{number}: names {path}, which is not of {part}"
            if re.search(r"(^|[\s\"/}])\.\./", line):
                yield f"{name}:{number}: a path leaves its folder"
        text = re.sub(r"#.*", "", tree.text(name))
        for target, arguments in re.findall(r"target_include_directories\(\s*(\S+)([^)]*)\)", text):
            exported = re.sub(r"\bPRIVATE\b.*?(?=\bPUBLIC\b|\bINTERFACE\b|$)", "", arguments, flags=re.S)
            if re.search(r"(^|[\s/])(src|tests)\b", exported) and target not in PUBLISHED_SOURCES.get(str(name), set()):
                yield f"{name}: {target} exports a folder of sources"


def unit_graph(tree: Tree, library: str) -> units.Graph:
    files = tree.under(f"libs/{library}/include", f"libs/{library}/src", suffixes={".h", ".cc"})
    return units.graph_of(library, {name: tree.text(name) for name in files})


def check_cycles(tree: Tree, library: str) -> Iterator[str]:
    graph = unit_graph(tree, library)
    for component in units.cycles(graph):
        if len(component) > CYCLE_UNITS_MAX:
            way = "; ".join(units.shortest_cycle(graph, component))
            yield (f"libs/{library}: {len(component)} units include each other, {CYCLE_UNITS_MAX} is the most: "
                   f"{', '.join(component)} (such as {way})")  # fmt: skip


def product_sources(tree: Tree) -> Iterator[pathlib.PurePosixPath]:
    for name in tree.under("libs", "apps", "examples", suffixes={".h", ".cc"}):
        if "tests" not in name.parts:
            yield name


def check_against(
    sizes: dict[str, tuple[int, int]], larger: dict[str, int], most: int, what: str, whole: bool
) -> Iterator[str]:
    """`sizes`: by "file name", the line and the size. `larger`: those that may exceed `most`. `whole`: all files are there."""
    for name, (line, size) in sizes.items():
        place = f"{name.split()[0]}:{line}: {name.split()[1]}"
        if name not in larger:
            if size > most:
                yield f"{place} has {size} {what}, {most} is the most"
        elif size > larger[name]:
            yield f"{place} has grown from {larger[name]} to {size} {what}"
        elif size < larger[name]:
            yield f"{place} has shrunk from {larger[name]} to {size} {what}: lower its entry, or remove it at {most}"
    for name in larger:
        if whole and name not in sizes:
            yield f"{name}: does not exist any more: remove its entry"


def sizes_of(tree: Tree) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
    """The member functions of every class, and the lines of every function; of equal names in a file, the larger."""
    classes: dict[str, tuple[int, int]] = {}
    functions: dict[str, tuple[int, int]] = {}
    for name in product_sources(tree):
        found_classes, found_functions = cxx.scan(tree.text(name))
        for into, key, line, size in (
            *((classes, one.name.split("::")[-1], one.line, one.methods) for one in found_classes),
            *((functions, one.name, one.line, one.lines) for one in found_functions),
        ):
            if size > into.get(f"{name} {key}", (0, -1))[1]:
                into[f"{name} {key}"] = (line, size)
    return classes, functions


def check_manuals(tree: Tree, library: str) -> Iterator[str]:
    """Every public header is named by its library's README."""
    readme = pathlib.PurePosixPath(f"libs/{library}/README.md")
    text = tree.text(readme) if readme in tree.files else ""
    headers = [name.name for name in tree.under(f"libs/{library}/include", suffixes={".h"})]
    unnamed = [name for name in headers if f"`{name}`" not in text and not name.endswith("_inl.h")]
    for name in unnamed:
        yield f"{readme}: does not name the header `{name}`"


def report(tree: Tree) -> None:
    classes, functions = sizes_of(tree)
    print(f"{len(classes)} classes; the largest by member functions:")
    for name, (_, size) in sorted(classes.items(), key=lambda one: -one[1][1])[:6]:
        print(f"  {size:4} {name}")
    print(f"{len(functions)} functions; the longest by lines:")
    for name, (_, size) in sorted(functions.items(), key=lambda one: -one[1][1])[:8]:
        print(f"  {size:4} {name}")
    print("units of a library that include each other:")
    for library in tree.libraries():
        graph = unit_graph(tree, library)
        found = units.cycles(graph)
        print(f"  {library:12} {len(graph):3} units, {len(found)} cycles, the largest of {max(map(len, found), default=0)}")


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
        yield f"{library} has no cycle of units", lambda part=library: check_cycles(tree, part)
        yield f"{library} names its headers in its README", lambda part=library: check_manuals(tree, part)
    for part in ("apps", "examples"):
        if any(tree.under(part, suffixes={".h", ".cc"})):
            yield f"{part} include only what the table allows", lambda part=part: check_edges(tree, part)
    prose = SOURCE_SUFFIXES | {".md", ".toml", ".xml", ".yaml", ".yml", ".json", ".txt"}
    classes, functions = sizes_of(tree)
    yield "no quoted include leaves its part", lambda: check_quoted(tree)
    yield "no build file reaches into another part", lambda: check_build_files(tree)
    yield "no class is too large", lambda: check_against(
        classes, LARGER_CLASSES, METHODS_MAX, "member functions", tree.whole
    )
    yield "no function is too long", lambda: check_against(
        functions, LONGER_FUNCTIONS, FUNCTION_LINES_MAX, "lines", tree.whole
    )
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
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    tree = Tree(arguments.root)
    if arguments.report:
        report(tree)
        return 0
    results = [(name, sorted(set(check()))) for name, check in checks(tree)]
    if arguments.junit:
        write_junit(arguments.junit, results)
    findings = [finding for _, found in results for finding in found]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
