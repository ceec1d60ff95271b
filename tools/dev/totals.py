"""Adds up JUnit files: totals.py FOLDER prints failures on standard error and the totals as the last line on standard
output, and fails when any test failed or none ran. totals.py --brief FILE prints the totals of one file."""

import pathlib
import sys
import xml.etree.ElementTree as xml

FAILURES_SHOWN_MAX = 40
LINES_PER_FAILURE_MAX = 15


class Totals:
    def __init__(self) -> None:
        self.passed = 0
        self.skipped = 0
        self.failures: list[tuple[str, str]] = []

    def add(self, file: pathlib.Path) -> None:
        try:
            cases = list(xml.parse(file).getroot().iter("testcase"))
        except xml.ParseError as error:
            self.failures.append((f"{file.stem}: unreadable results", str(error)))
            return
        for case in cases:
            name = case.get("name", "?")
            # ctest reports a test program that could not be built as a test that did not run.
            if case.find("failure") is not None or case.find("error") is not None or name.endswith("_NOT_BUILT"):
                self.failures.append((f"{file.stem}: {name}", _output(case)))
            elif case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1

    def line(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failures)} failed{skipped}"


def _output(case: xml.Element) -> str:
    parts = [case.find(tag) for tag in ("failure", "error", "system-out")]
    texts = [part.text or part.get("message") or "" for part in parts if part is not None]
    return "\n".join(text for text in texts if text.strip())


def main() -> int:
    totals = Totals()
    if sys.argv[1] == "--brief":
        totals.add(pathlib.Path(sys.argv[2]))
        print(totals.line())
        return 0
    for file in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
        totals.add(file)
    for name, output in totals.failures[:FAILURES_SHOWN_MAX]:
        print(f"\nFAILED {name}", file=sys.stderr)
        for line in output.strip().splitlines()[-LINES_PER_FAILURE_MAX:]:
            print(f"    {line}", file=sys.stderr)
    if len(totals.failures) > FAILURES_SHOWN_MAX:
        print(f"\n... and {len(totals.failures) - FAILURES_SHOWN_MAX} more", file=sys.stderr)
    sys.stderr.flush()
    print(totals.line())
    return 1 if totals.failures or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
