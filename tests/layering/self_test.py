"""Proves that check_layering.py can fail: a small tree that breaks every rule once, and the same tree kept well."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

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
            f"libs/{library}/README.md": "",
            f"libs/{library}/CMakeLists.txt": f"millrace_library({library} HEADERS a.h {depends})\n",
            f"libs/{library}/include/millrace/{library}/a.h": "#include <vector>\n",
            f"libs/{library}/src/a.cc": f"#include <fmt/format.h>\n#include <sys/epoll.h>\n#include <millrace/{library}/a.h>\n",
            f"libs/{library}/tests/a_test.cc": "#include <gtest/gtest.h>\n",
        }
    files["libs/lower/tests/a_test.cc"] += "#include <millrace/emulators/a.h>\n"
    files["libs/lower/src/a.cc"] += "#include <millrace/base/a.h>\n"
    return files


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
            sys.exit(f"exit code {run.returncode} does not fit the output:\n{run.stdout}{run.stderr}")
        return run.stdout


def main() -> int:
    wrong = [f"a well-kept tree is refused:\n{found}"] if (found := findings(good_tree())) else []
    for change, expected in MISTAKES:
        files = good_tree() | {name: text for name, text in change.items() if text is not None}
        for name, text in change.items():
            if text is None:
                del files[name]
        found = findings(files)
        if expected not in found:
            wrong.append(f"expected {expected!r}, found:\n{found}")
    print("\n".join(wrong) or f"{len(MISTAKES) + 1} trees judged rightly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
