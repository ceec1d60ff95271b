"""Assembles one source file from the example in a public header's comment.

assemble.py HEADER OUTPUT: HEADER is relative to the root of the source tree. CMake compiles OUTPUT with the product's
flags, so that an example that does not compile fails the build. The header comes first, which proves that it compiles
alone; a header without an example (lint.py decides whether it may have none) is compiled by itself. The forms of an example, all indented by two spaces:

    Example:                          statements; `return error` is allowed
    Example, in a coroutine:          statements with co_await; a stream::context `ctx` is given
    Example, at namespace scope:      declarations
    Example prelude:                  declarations and includes that the statements need
"""

from __future__ import annotations

import pathlib
import sys

from comments import ROOT, Example, example_of, file_comment

PLAIN = """
millrace::result<void> example();
millrace::result<void> example() {{
{body}
  return {{}};
}}
"""
COROUTINE = """
millrace::runtime::task<millrace::result<void>> example(millrace::stream::context ctx);
millrace::runtime::task<millrace::result<void>> example([[maybe_unused]] millrace::stream::context ctx) {{
{body}
  co_return millrace::result<void>();
}}
"""
COROUTINE_INCLUDES = ["#include <millrace/runtime/task.h>", "#include <millrace/stream/context.h>"]


def include_of(header: str) -> str:
    return f"#include <millrace/{header.split('/millrace/')[1]}>"


def assembled(header: str, example: Example) -> str:
    includes = [include_of(header), *example.includes]
    includes += COROUTINE_INCLUDES if example.coroutine else ["#include <millrace/base/result.h>"]
    text = f"// Assembled from the comment of {header}.\n"
    text += "\n".join(dict.fromkeys(includes))
    text += "\n\nnamespace millrace {}\nusing namespace millrace;\n\n"
    text += "\n".join(example.declarations) + "\n"
    if example.statements:
        body = "\n".join(f"  {line}".rstrip() for line in example.statements)
        text += (COROUTINE if example.coroutine else PLAIN).format(body=body)
    return text


def main() -> int:
    header, output = sys.argv[1], pathlib.Path(sys.argv[2])
    example = example_of(file_comment((ROOT / header).read_text()))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(assembled(header, example) if example else f"{include_of(header)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
