"""Proves that lint.py can fail and that assemble.py extracts examples: headers that break each rule once, and the same
headers kept well."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

from assemble import assembled
from comments import example_of, file_comment

LINT = pathlib.Path(__file__).with_name("lint.py")
HEADER = "libs/base/include/millrace/base/a.h"
C_HEADER = "native/include/millrace/native/c.h"
EXEMPT = "tests/headers/without_example.txt"
GOOD = """// A cache of texts.
//
// Example:
//
//   millrace::cache texts;
//   if (!texts.load("a")) return millrace::error(millrace::errc::io_error);
//
// Threads: any.
#pragma once

#include <string>

namespace millrace {

// Keeps texts in memory.
class cache {
 public:
  cache() = default;
  // Reads a text. Returns errc::io_error when there is none.
  [[nodiscard]] result<std::string> load(std::string_view name);

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  result<int> unseen();
  std::size_t size_ = 0;
};

// Counts texts, in bytes.
std::size_t count(const std::function<int(int)>& each = {});

namespace internal {
result<int> hidden();
}  // namespace internal

}  // namespace millrace
"""
GOOD_C = """/* A C interface.
 *
 * Example:
 *
 *   c_open();
 *
 * Threads: any.
 */
void c_open(void);
"""

# What is replaced in the good header, and what the lint must then say.
MISTAKES: list[tuple[str, str, str]] = [
    ("// Example:", "// For example:", "a.h:1: no example in the comment"),
    ("//   millrace::cache texts;\n//   if", "// millrace::cache texts;\n// if", "a.h:1: no example in the comment"),
    ("// Threads: any.\n", "", "a.h:19: cache::load(): no statement 'Threads:'"),
    ("// Threads: any.\n", "", "a.h:29: count(): no statement 'Threads:'"),
    (" Returns errc::io_error when there is none.", "", "a.h:20: cache::load(): no errc::, 'Errors:' or 'Failure:'"),
    ("result<std::string> load", "runtime::task<void> load", ""),
    ("// Reads a text. Returns errc::io_error when there is none.\n  [[nodiscard]] result<std::string>",
     "[[nodiscard]] runtime::task<void>", "a.h:19: cache::load(): no errc::, 'Errors:' or 'Failure:'"),
    ("// Keeps texts in memory.\n", "", "a.h:21: cache::empty(): no comment says what it does and returns"),
    ("// Counts texts, in bytes.\n", "", "a.h:29: count(): no comment says what it does and returns"),
    (" private:\n", " public:\n", "a.h:25: cache::unseen(): no errc::, 'Errors:' or 'Failure:'"),
    ("namespace internal {", "namespace shown {", "a.h:33: hidden(): no errc::, 'Errors:' or 'Failure:'"),
]  # fmt: skip


def good_tree() -> dict[str, str]:
    return {HEADER: GOOD, C_HEADER: GOOD_C, EXEMPT: "# none\n"}


def findings(files: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (pathlib.Path(folder) / name).write_text(text)
        run = subprocess.run([sys.executable, LINT, "--root", folder], capture_output=True, text=True, check=False)
        if run.returncode != (1 if run.stdout else 0) or run.stderr:
            sys.exit(f"exit code {run.returncode} does not match the output:\n{run.stdout}{run.stderr}")
        return run.stdout


def wrong_findings() -> list[str]:
    wrong = [f"well-kept headers are refused:\n{found}"] if (found := findings(good_tree())) else []
    for before, after, expected in MISTAKES:
        if GOOD.count(before) != 1:
            wrong.append(f"the good header has {before!r} {GOOD.count(before)} times")
            continue
        found = findings(good_tree() | {HEADER: GOOD.replace(before, after)})
        if expected not in found or (not expected and found):
            wrong.append(f"{before!r} → {after!r}: expected {expected!r}, found:\n{found}")
    trees = [
        (good_tree() | {C_HEADER: GOOD_C.replace(" * Threads: any.\n", "")}, "c.h:1: no statement 'Threads:'"),
        (good_tree() | {C_HEADER: GOOD_C.replace("Example", "Sample")}, "c.h:1: no example in the comment"),
        (good_tree() | {EXEMPT: f"{HEADER}: a reason\n"}, "has an example: remove it from without_example.txt"),
        (good_tree() | {EXEMPT: "libs/base/include/millrace/base/b.h: a reason\n"}, "no such header, or no reason"),
        (good_tree() | {HEADER: GOOD[GOOD.index("#pragma") :]}, "a.h:1: no comment at the top"),
    ]
    for files, expected in trees:
        if expected not in (found := findings(files)):
            wrong.append(f"expected {expected!r}, found:\n{found}")
    return wrong


def wrong_examples() -> list[str]:
    comment = "// A.\n//\n// Example prelude:\n//\n//   #include <vector>\n//   struct a {};\n//\n// Example:\n//\n"
    text = assembled(HEADER, example_of(file_comment(comment + "//   a first;\n//\n//   use(first);\n// End.\n//   not code\n")))
    expected = ["#include <millrace/base/a.h>", "#include <vector>", "struct a {};", "  a first;", "  use(first);"]
    wrong = [f"the assembled example lacks {line!r}:\n{text}" for line in expected if f"\n{line}\n" not in text]
    if "not code" in text or "End." in text:
        wrong.append(f"text after the example was taken for code:\n{text}")
    body = assembled(HEADER, example_of(["Example, in a coroutine:", "", "  co_await wait();"]))
    if "runtime::task<millrace::result<void>> example(" not in body or "  co_await wait();" not in body:
        wrong.append(f"a coroutine's example has no coroutine:\n{body}")
    whole = assembled(HEADER, example_of(["Example, at namespace scope:", "  int twice(int a) { return 2 * a; }"]))
    if "\nint twice(int a)" not in whole or "example()" in whole:
        wrong.append(f"declarations do not stand at namespace scope:\n{whole}")
    return wrong


def main() -> int:
    wrong = wrong_findings() + wrong_examples()
    for one in wrong:
        print(one)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
