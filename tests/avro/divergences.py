"""Where we and Avro for Java are known to differ, and on purpose: docs/concepts/avro-conformance.md has the reasons. Each rule
reads both answers and proves as much of its case as it can."""

from __future__ import annotations

import dataclasses
import re

from .peers import Answer


NO_BRANCH = "this branch of the writer's union has no counterpart"


def agree(ours: Answer, java: Answer) -> bool:
    if ours[0] == "ok" and java[0] == "ok":
        return ours[1] == java[1]
    return ours[0] != "ok" and java[0] != "ok"


@dataclasses.dataclass
class Case:
    writer: str  # schemas
    reader: str
    ours: Answer
    lenient: Answer  # ours with Java's carelessness about names of records and UTF-8
    bare: Answer  # the same without logical types
    java: Answer
    java_compatible: str  # what Java's SchemaCompatibility says


def explain(case: Case) -> str | None:
    """The rule that covers the difference, or None."""
    ours, java = case.ours, case.java
    if ours[0] == "ok" and java[0] == "error":
        if re.search(r"EOFException: (Collection|Map) claims", java[1]):
            return "java counts a collection's bytes by the reader's type"
        found = re.search(r"AvroTypeException: .*?Found ([\w.]+), expecting", java[1])
        if found and unqualified_names(found[1], case.reader):
            return "names match unqualified"
        if "Schema fields not set yet" in java[1] and "Schema fields not set yet" in case.java_compatible:
            return "java does not parse a default of a record inside itself"
        return None
    if ours[0] != "ok" and java[0] == "ok":
        return refused(case)
    # Both read it. Without logical types we read what Java reads: it took a branch of another meaning.
    if ours[0] == java[0] == "ok" and case.bare == java and "logicalType" in case.writer + case.reader:
        return "numbers keep their meaning"
    return None


def unqualified_names(writer: str, reader: str) -> bool:
    """Whether the reader has the name, or the alias, of another namespace."""
    short = writer.rsplit(".", 1)[-1]
    return writer not in names_in(reader) and short in {name.rsplit(".", 1)[-1] for name in names_in(reader)}


def names_in(schema: str) -> set[str]:
    names = set(re.findall(r'"name":"([\w.]+)"', schema))
    for aliases in re.findall(r'"aliases":\[([^\]]*)\]', schema):
        names |= set(re.findall(r'"([\w.]+)"', aliases))
    return names


def refused(case: Case) -> str | None:
    ours, lenient, java = case.ours, case.lenient, case.java
    if ours[1].startswith("invalid_utf8"):
        # Our encoder refuses it too, so the two results cannot be compared.
        return "text is UTF-8" if lenient[1].startswith("invalid_utf8: encoding") or lenient == java else None
    # Leniency is about names and UTF-8 only. What is no text, our encoder refuses too.
    about_names = any(text in ours[1] for text in ("the writer has record", "the reader wants record", NO_BRANCH))
    if about_names and (lenient == java or lenient[1].startswith("invalid_utf8: encoding")):
        return "records have their names"
    about_meaning = "(" in ours[1] or NO_BRANCH in ours[1]
    if about_meaning and case.bare == java and "logicalType" in case.writer + case.reader:
        return "numbers keep their meaning"
    if "contains itself with no way out" in ours[1]:
        return "a record can end"
    if case.java_compatible != "INCOMPATIBLE":
        return None
    # Java could not read these either, had there been an item.
    if re.search(r'"type":"(array|map)"', case.writer) and (ours[0] == "refused" or "the writer's union" in ours[1]):
        return "items that can never be read are refused at once"
    return None
