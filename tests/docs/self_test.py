"""Proves that check_docs.py can fail: a small tree without a finding, and the same tree with one mistake at a time."""

from __future__ import annotations

import pathlib
import sys
import tempfile

import check_docs

SPEC = """const spec<kafka_config>& kafka_spec() {
  static const spec<kafka_config> declared{
      field(&kafka_config::group, "group").doc("The consumer group."),
      field(&kafka_config::properties, "properties").doc("Properties of librdkafka."),
  };
}
const spec<app_config>& app_spec() {
  static const spec<app_config> declared{section(&app_config::kafka, "kafka", kafka_spec()).doc("The source.")};
}
"""
PAGE = """# Page

`./dev test` and `millrace run` read `kafka.group` and `kafka.properties.client.id`; see [metrics](reference/metrics.md#all-1),
`libs/base/include/millrace/base/result.h`, `result.h`, `libs/LIB/src/`, and `millrace_records_total{topic="a"}`.

```sh
./dev test
millrace run config.yaml
```
"""
GOOD = {
    "dev": "case $command in\n  test) run ;;\n  help | --help | -h) help ;;\nesac\n",
    "CONTRIBUTING.md": "# Contributing\n\n## Glossary\n\nThe books balance: record accounting is consistent.\n\n## Commits\n\nSmall.\n",
    "CHANGELOG.md": "The books balance. `./dev gone`, `gone.cc`.\n",
    "docs/page.md": PAGE + "\nWhat is a record? It is a value.\n",
    "docs/decisions/0001-a.md": "# A decision\n\nThe database is sick.\n",
    "docs/reference/metrics.md": "# Metrics\n\n## All 1\n\n### `millrace_records_total`\n\nRecords.\n",
    "apps/millrace/main.cc": 'add_subcommand("run", "Runs the application.");\n',
    "libs/app/src/app_config.cc": SPEC,
    "libs/base/src/result.cc": 'log("A line of text.", "An order of magnitude.");\n',
    "libs/base/include/millrace/base/result.h": "// A value or an error: see docs/page.md.\n",
    "tools/observability/alerts.py": 'summary = "Records are late."\n',
}
HEADER = "libs/base/include/millrace/base/result.h"

# The file that is changed, its new text (or what is added to it), and the words that the finding must have.
MISTAKES: list[tuple[str, str, str]] = [
    ("docs/page.md", "\nThe books\nbalance.\n", "docs/page.md:13: phrase"),
    ("docs/page.md", "\nA letter is sent.\n", "dead-letter record"),
    ("CONTRIBUTING.md", "\nThe database is sick.\n", "CONTRIBUTING.md:11: phrase"),
    (HEADER, "// The loop stands\n// still.\n", "result.h:2: phrase"),
    ("libs/base/src/result.cc", 'log("port is "\n    "no number");\n', "result.cc:2: phrase"),
    ("libs/app/src/app_config.cc", 'field(&x::y, "z").doc("The line stops.")\n', "app_config.cc:10: phrase"),
    ("libs/app/src/app_config.cc", 'field(&x::y, "z").doc("Of one connection, "\n "all included.")\n', "fragment"),
    ("tools/observability/alerts.py", 'action = ("This wakes " \n "somebody")\n', "alerts.py:2: phrase"),
    ("docs/page.md", "\nA record. What is read is kept.\n", "docs/page.md:13: nominal"),
    (HEADER, "// What a caller\n// gets.\n", "result.h:2: nominal"),
    ("docs/page.md", "\n`libs/base/src/gone.cc`\n", "`libs/base/src/gone.cc` is not in the tree"),
    ("docs/page.md", "\n`gone_test.cc`\n", "`gone_test.cc` is not in the tree"),
    ("docs/decisions/0001-a.md", "\n`../gone.md`\n", "`../gone.md` is not in the tree"),
    ("docs/page.md", "\n`./dev gone`\n", "`./dev gone` is not a command"),
    ("docs/page.md", "\n```\n./dev gone --all\n```\n", "docs/page.md:14: command"),
    ("docs/page.md", "\n`millrace gone --all`\n", "`millrace gone` is not a command"),
    ("docs/page.md", "\n`kafka.gone`\n", "`kafka.gone` is not a setting"),
    ("docs/page.md", "\n`kafka.gone: 3`\n", "`kafka.gone` is not a setting"),
    ("docs/page.md", "\n`millrace_gone_total`\n", "`millrace_gone_total` is neither"),
    ("docs/page.md", "\n[a page](gone.md)\n", "gone.md does not resolve"),
    ("docs/page.md", "\n[a heading](reference/metrics.md#gone)\n", "no such heading"),
    ("CHANGELOG.md", "\n[a page](gone.md)\n", "gone.md does not resolve"),
    ("libs/base/src/result.cc", "// See docs/gone.md.\n", "docs/gone.md is not in the tree"),
]

REFERENCE = {
    "docs/reference/configuration.md": "# Settings\n\n## `kafka`\n\n| key | type |\n| --- | --- |\n| `group` | text |\n| `properties` | map |\n"
}


def findings(files: dict[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return [str(each) for each in check_docs.check(root)]


def main() -> int:
    wrong = [f"the good tree: {each}" for each in [*findings(GOOD), *findings(GOOD | REFERENCE)]]
    gone = findings(GOOD | REFERENCE | {"docs/page.md": PAGE + "\n`kafka.gone`\n"})
    if len(gone) != 1:
        wrong.append(f"a setting that the reference does not have: {gone}")
    for name, added, expected in MISTAKES:
        found = findings(GOOD | {name: GOOD[name] + added})
        if len(found) != 1 or expected not in found[0]:
            wrong.append(f"{name} with {added!r}: expected one finding with {expected!r}, not {found}")
    for each in wrong:
        print(each)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
