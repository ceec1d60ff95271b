"""Proves that check_layering.py can fail: a small tree that breaks every rule once, and the same tree without violations."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import check_layering
import cxx

CHECK = pathlib.Path(__file__).with_name("check_layering.py")
TABLE = """<!-- include table: read by tests/layering -->
| library | may include |
| --- | --- |
| base | none |
| lower | base |
| upper | everything above except lower |
<!-- end of include table -->
"""
UNFINISHED = "TO" + "DO"


def good_tree() -> dict[str, str]:
    files = {"ARCHITECTURE.md": TABLE}
    for library, depends in (("base", ""), ("lower", "DEPENDS base"), ("upper", "DEPENDS base")):
        files |= {
            f"libs/{library}/README.md": "`a.h`\n",
            f"libs/{library}/CMakeLists.txt": f"millrace_library({library} HEADERS a.h {depends})\n",
            f"libs/{library}/include/millrace/{library}/a.h": "#include <vector>\n",
            f"libs/{library}/src/a.cc": f"#include <fmt/format.h>\n#include <sys/epoll.h>\n#include <millrace/{library}/a.h>\n",
            f"libs/{library}/tests/a_test.cc": "#include <gtest/gtest.h>\n",
        }
    files["libs/lower/tests/a_test.cc"] += "#include <millrace/emulators/a.h>\n"
    files["libs/lower/src/a.cc"] += "#include <millrace/base/a.h>\n"
    # Two units that include each other are allowed: a header, and what implements it.
    files["libs/base/include/millrace/base/a.h"] += "#include <millrace/base/b.h>\n"
    files["libs/base/include/millrace/base/b.h"] = "#pragma once\n"
    files["libs/base/src/b.cc"] = '#include "own.h"\n#include <millrace/base/a.h>\n'
    files["libs/base/src/own.h"] = "#pragma once\n"
    files["libs/base/README.md"] += "`b.h`\n"
    # Headers that CMake makes of files of the own part.
    files["bench/one/CMakeLists.txt"] = "add_executable(one main.cc)\ntarget_include_directories(one PRIVATE src)\n"
    files["bench/one/main.cc"] = '#include "rows.h"\n#include "assets.h"\n#include "visit.avsc.h"\n'
    files |= {"bench/one/rows.h": "", "bench/one/assets.h.in": "", "bench/one/schemas/visit.avsc": "{}"}
    files["libs/upper/src/large.cc"] = long_function(70) + large_class(45)
    return files


def long_function(lines: int) -> str:
    return "int run(int n) noexcept {\n" + "  n += 1;  // {\n" * (lines - 2) + "}\n"


def large_class(methods: int) -> str:
    return (
        "class large final : public base {\n public:\n  large(const large&) = delete;\n  struct part { int x = f(1); };\n"
        + "".join(f"  [[nodiscard]] int f{i}() const {{ return g({i}); }}\n" for i in range(methods))
        + "  std::function<void(int)> call_;\n  part all_[2] = {{1}, {2}};\n};\n"
    )


# What is changed in the good tree, and what the check must then say.
MISTAKES: list[tuple[dict[str, str | None], str]] = [
    ({"libs/base/src/b.cc": "#include <millrace/lower/a.h>\n"}, "libs/base/src/b.cc:1: base may not include lower"),
    ({"libs/upper/tests/b.cc": "\n#include <millrace/lower/a.h>\n"}, "libs/upper/tests/b.cc:2: upper may not include lower"),
    ({"libs/base/src/b.cc": '#include "../../lower/src/a.h"\n'}, "libs/base/src/b.cc:1: an include leaves its folder"),
    ({"libs/base/src/b.cc": "#include <millrace/emulators/a.h>\n"}, "libs/base/src/b.cc:1: base may not include emulators"),
    ({"libs/lower/include/millrace/lower/b.h": "#include <fmt/format.h>\n"}, "b.h:1: <fmt/format.h> may not be included"),
    ({"libs/lower/include/millrace/lower/b.h": "#include <zlib.h>\n"}, "b.h:1: <zlib.h> may not be included"),
    ({"libs/lower/src/b.cc": "#include <gtest/gtest.h>\n"}, "b.cc:1: <gtest/gtest.h> may not be included"),
    ({"libs/lower/src/b.cc": "#include <folly/Try.h>\n"}, "b.cc:1: <folly/Try.h> may not be included"),
    ({"libs/lower/README.md": None}, "libs/lower: README.md is missing"),
    ({"libs/lower/tests/a_test.cc": None}, "libs/lower: tests/ is missing or empty"),
    ({"libs/lower/b.h": ""}, "libs/lower/b.h: belongs into"),
    ({"libs/lower/CMakeLists.txt": "millrace_library(lower HEADERS a.h)\n"}, "includes base, which DEPENDS does not name"),
    ({"libs/upper/CMakeLists.txt": "millrace_library(upper DEPENDS base lower)\n"}, "depends on lower, which the include"),
    ({"libs/extra/src/a.cc": ""}, "libs/extra: not in the include table"),
    ({"libs/base/src/long.cc": "\n" * 701}, "libs/base/src/long.cc: 701 lines"),
    ({"libs/base/src/b.cc": f"// {UNFINISHED}: later\n"}, "libs/base/src/b.cc:1: unfinished"),
    ({"deploy/a.yaml": "path: /ro" + "ot/data\n"}, "deploy/a.yaml:1: path of one machine"),
    ({"tools/a.sh": "curl https://py" + "pi.org/simple\n"}, "tools/a.sh:1: host of a registry"),
    ({"libs/base/src/c.cc": '#include "a_test.h"\n'}, 'libs/base/src/c.cc:1: "a_test.h" is not a file of libs/base'),
    ({"tests/two/b.cc": '#include "rows.h"\n'}, 'tests/two/b.cc:1: "rows.h" is not a file of tests/two'),
    ({"bench/one/b.cc": '#include "other.avsc.h"\n'}, 'bench/one/b.cc:1: "other.avsc.h" is not a file of bench/one'),
    ({"bench/one/CMakeLists.txt": "add_executable(one ../two/main.cc)\n"}, "bench/one/CMakeLists.txt:1: a path leaves"),
    (
        {"bench/one/CMakeLists.txt": "\nset(demo ${PROJECT_SOURCE_DIR}/apps/one)\n"},
        "bench/one/CMakeLists.txt:2: names apps/one, which is not of bench/one",
    ),
    (
        {"bench/one/CMakeLists.txt": "target_include_directories(one PRIVATE ${PROJECT_BINARY_DIR}/libs/base/x)\n"},
        "bench/one/CMakeLists.txt:1: names libs/base/x, which is not of bench/one",
    ),
    (
        {"bench/one/CMakeLists.txt": "target_include_directories(one PRIVATE x PUBLIC include\n  src)\n"},
        "bench/one/CMakeLists.txt: one exports a folder of sources",
    ),
    (
        {"libs/base/src/b.cc": '#include "c.h"\n', "libs/base/src/c.h": "#include <millrace/base/a.h>\n"},
        "libs/base: 3 units include each other, 2 is the most: a, b, c",
    ),
    (
        {"libs/lower/src/x/b.h": '#include "c.h"\n', "libs/lower/src/x/c.h": '#include "x/d.h"\n',
         "libs/lower/src/x/d.cc": '#include "b.h"\n', "libs/lower/src/x/d.h": ""},
        "libs/lower: 3 units include each other, 2 is the most: x/b, x/c, x/d",
    ),  # fmt: skip
    ({"libs/upper/src/large.cc": large_class(46)}, "libs/upper/src/large.cc:1: large has 46 member functions, 45 is the most"),
    ({"libs/upper/src/large.cc": "\n" + long_function(71)}, "libs/upper/src/large.cc:2: run has 71 lines, 70 is the most"),
    ({"libs/lower/include/millrace/lower/c.h": ""}, "libs/lower/README.md: does not name the header `c.h`"),
    ({"ARCHITECTURE.md": TABLE.replace("| base | none |", "| base | upper |")}, "base may include upper, which is not above"),
]


def findings(files: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        run = subprocess.run([sys.executable, CHECK, "--root", folder], capture_output=True, text=True, check=False)
        if run.returncode != (1 if run.stdout else 0) or run.stderr:
            sys.exit(f"exit code {run.returncode} does not match the output:\n{run.stdout}{run.stderr}")
        return run.stdout


# A list that may only shrink: the size today, and what is said of an entry that allows 80 where 70 is the most.
SHRINKING = [
    ({"a.cc run": (1, 80)}, []),
    ({"a.cc run": (1, 81)}, ["a.cc:1: run has grown from 80 to 81 lines"]),
    ({"a.cc run": (1, 79)}, ["a.cc:1: run has shrunk from 80 to 79 lines: lower its entry, or remove it at 70"]),
    ({"a.cc go": (1, 80)}, ["a.cc:1: go has 80 lines, 70 is the most", "a.cc run: does not exist any more: remove its entry"]),
]
# Texts that are hard to read without a syntax tree, and the functions with their lines, the classes with their methods.
READ = [
    ("namespace a {\nauto f(int x) -> int {\n  return [x] { return x; }();\n}\n}\n", [("f", 3)], []),
    ('const char* text = "{ ( ";\nvoid f() {}\n', [("f", 1)], []),
    ("x::x(int n)\n    : a_{n},\n      b_(n) {\n  go();\n}\n", [("x", 5)], []),
    ("struct p {\n  int a{1};\n  p() = default;\n  bool operator==(const p&) const = default;\n  void f();\n  void f(int);\n};\n", [], [("p", 2)]),
    ("enum class e { a, b };\nint table[] = {1, 2};\n", [], []),
    ("class outer {\n  class inner {\n    void g() { if (x) { y(); } }\n  };\n  ~outer();\n};\n", [("g", 1)], [("outer", 1), ("inner", 1)]),
]


def units_of_size() -> list[str]:
    wrong = []
    for sizes, expected in SHRINKING:
        found = list(check_layering.check_against(sizes, {"a.cc run": 80}, 70, "lines", True))
        if found != expected:
            wrong.append(f"expected {expected}, found {found}")
    for text, functions, classes in READ:
        found_classes, found_functions = cxx.scan(text)
        found = [(one.name, one.lines) for one in found_functions], [(one.name, one.methods) for one in found_classes]
        if found != (functions, classes):
            wrong.append(f"expected {(functions, classes)}, found {found} in\n{text}")
    return wrong


def main() -> int:
    wrong = units_of_size()
    wrong += [f"a well-kept tree is refused:\n{found}"] if (found := findings(good_tree())) else []
    for change, expected in MISTAKES:
        files = good_tree() | {name: text for name, text in change.items() if text is not None}
        for name, text in change.items():
            if text is None:
                del files[name]
        found = findings(files)
        if expected not in found:
            wrong.append(f"expected {expected!r}, found:\n{found}")
    print("\n".join(wrong) or f"{len(MISTAKES) + 1} trees and {len(SHRINKING) + len(READ)} texts judged rightly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
