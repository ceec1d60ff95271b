"""Random schemas, and random changes of them.

A schema is its JSON form as Python objects, with one difference: every use of a named type is the same dict. So a
change of a type changes all its uses, and dropping a field never leaves a name without a definition. `to_json` writes
the definition where a type is first met.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
PROMOTIONS = {
    "int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
    "string": ["bytes"], "bytes": ["string"],
}  # fmt: skip
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
]
NAMED = ("record", "enum", "fixed")
NAMESPACES = ["a", "a.b", "c"]
DEPTH_MAX = 4
SYMBOLS = ["A", "B", "C", "D", "E", "F"]

Schema = Any


def kind(schema: Schema) -> str:
    if isinstance(schema, list):
        return "union"
    return schema if isinstance(schema, str) else schema["type"]


def to_json(schema: Schema, logical: bool = True) -> str:
    return json.dumps(_written(schema, set(), logical), separators=(",", ":"))


def _written(schema: Schema, seen: set[str], logical: bool) -> Any:
    if isinstance(schema, str):
        return schema
    if isinstance(schema, list):
        return [_written(branch, seen, logical) for branch in schema]
    if schema["type"] in NAMED:
        if schema["name"] in seen:
            return schema["name"]
        seen.add(schema["name"])
    text = dict(schema)
    if not logical:
        for attribute in ("logicalType", "precision", "scale"):
            text.pop(attribute, None)
    if kind(schema) == "record":
        text["fields"] = [{**field, "type": _written(field["type"], seen, logical)} for field in schema["fields"]]
    for part in ("items", "values"):
        if part in text:
            text[part] = _written(schema[part], seen, logical)
    return text


class Author:
    """Writes schemas."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names = 0
        self.known: list[Schema] = []

    def schema(self) -> Schema:
        return self.record(0) if self.rng.random() < 0.7 else self.any(0)

    def any(self, depth: int, in_union: bool = False) -> Schema:
        rng = self.rng
        if depth < DEPTH_MAX and rng.random() < 0.45:
            makers = [self.record, self.array, self.map] + ([] if in_union else [self.union, self.union])
            return rng.choice(makers)(depth)
        if self.known and rng.random() < 0.15:
            return rng.choice(self.known)
        if rng.random() < 0.2:
            return rng.choice([self.enum, self.fixed])()
        if rng.random() < 0.15:
            return copy.deepcopy(rng.choice(LOGICAL))
        return rng.choice(PRIMITIVES)

    def name(self) -> str:
        self.names += 1
        return f"{self.rng.choice(NAMESPACES)}.T{self.names}"

    def record(self, depth: int) -> Schema:
        made: Schema = {"type": "record", "name": self.name(), "fields": []}
        for i in range(self.rng.randrange(5)):
            made["fields"].append({"name": f"f{i}", "type": self.any(depth + 1)})
        if self.rng.random() < 0.1:
            inner = self.rng.choice([["null", made], {"type": "array", "items": made}, {"type": "map", "values": made}])
            made["fields"].append({"name": "self", "type": inner})
        self.known.append(made)
        return made

    def array(self, depth: int) -> Schema:
        return {"type": "array", "items": self.any(depth + 1)}

    def map(self, depth: int) -> Schema:
        return {"type": "map", "values": self.any(depth + 1)}

    def union(self, depth: int) -> Schema:
        branches: list[Schema] = ["null"] if self.rng.random() < 0.6 else []
        for _ in range(self.rng.randrange(1, 4)):
            add_branch(branches, self.any(depth + 1, in_union=True))
        self.rng.shuffle(branches)
        return branches

    def enum(self) -> Schema:
        made = {"type": "enum", "name": self.name(), "symbols": self.rng.sample(SYMBOLS, self.rng.randrange(1, 5))}
        if self.rng.random() < 0.3:
            made["default"] = self.rng.choice(made["symbols"])
        self.known.append(made)
        return made

    def fixed(self) -> Schema:
        made = {"type": "fixed", "name": self.name(), "size": self.rng.randrange(6)}
        self.known.append(made)
        return made


def is_union(holder: Any) -> bool:
    return isinstance(holder, list) and not isinstance(holder, Root)


def identity(schema: Schema) -> str:
    return schema["name"] if kind(schema) in NAMED else kind(schema)


def add_branch(branches: list[Schema], branch: Schema) -> None:
    if kind(branch) != "union" and identity(branch) not in {identity(other) for other in branches}:
        branches.append(branch)


class Root(list):
    """Holds the whole schema, as a union holds its branches but without a union's rules."""


def nodes(root: Root) -> list[tuple[Any, Any]]:
    """Every place that holds a type: (container, key)."""
    found: list[tuple[Any, Any]] = []
    seen: set[int] = set()

    def visit(holder: Any, key: Any) -> None:
        found.append((holder, key))
        inner = holder[key]
        if isinstance(inner, str) or id(inner) in seen:
            return
        seen.add(id(inner))
        if isinstance(inner, list):
            for i in range(len(inner)):
                visit(inner, i)
        elif kind(inner) == "record":
            for field in inner["fields"]:
                visit(field, "type")
        else:
            for part in ("items", "values"):
                if part in inner:
                    visit(inner, part)

    visit(root, 0)
    return found


class Editor:
    """Turns a writer's schema into a reader's by a few changes, most of them legal."""

    def __init__(self, rng: random.Random, author: Author) -> None:
        self.rng = rng
        self.author = author

    def edit(self, schema: Schema) -> Schema:
        root = Root([copy.deepcopy(schema)])
        self.author.known = []
        for _ in range(self.rng.randrange(1, 5)):
            self.change(*self.rng.choice(nodes(root)))
        for holder, _ in nodes(root):  # later changes may have changed the types of fields added before
            if isinstance(holder, dict) and "default" in holder and "symbols" not in holder:
                holder["default"] = default_of(holder["type"], self.rng)
        return root[0]

    def change(self, holder: Any, key: Any) -> None:
        node = holder[key]
        what = kind(node)
        rng = self.rng
        if rng.random() < 0.04:
            self.put(holder, key, self.author.any(DEPTH_MAX - 1))
        elif what == "union":
            self.change_union(holder, key)
        elif what == "record":
            self.change_record(node)
        elif what == "enum":
            self.change_enum(node)
        elif what == "fixed":
            if rng.random() < 0.3:
                node["size"] = rng.randrange(6)
            else:
                self.rename(node)
        elif not is_union(holder):
            if rng.random() < 0.3:
                holder[key] = rng.choice([["null", node], [node, "null"], ["string", node] if what != "string" else [node]])
                if what == "null":
                    holder[key] = [node, "int"]
            elif what in PROMOTIONS and rng.random() < 0.8:
                holder[key] = rng.choice(PROMOTIONS[what])
            elif what in PRIMITIVES:
                holder[key] = rng.choice(PRIMITIVES)
        elif what in PROMOTIONS:
            self.put(holder, key, rng.choice(PROMOTIONS[what]))

    def put(self, holder: Any, key: Any, node: Schema) -> None:
        """In a union only what the union may hold."""
        if is_union(holder):
            others = {identity(branch) for i, branch in enumerate(holder) if i != key}
            if kind(node) == "union" or identity(node) in others:
                return
        holder[key] = node

    def change_union(self, holder: Any, key: Any) -> None:
        union = holder[key]
        choice = self.rng.randrange(4)
        if choice == 0 and len(union) > 1:
            union.pop(self.rng.randrange(len(union)))
        elif choice == 1:
            add_branch(union, self.author.any(DEPTH_MAX - 1, in_union=True))
        elif choice == 2:
            self.rng.shuffle(union)
        elif union:
            holder[key] = self.rng.choice(union)

    def rename(self, node: Schema) -> None:
        old = node["name"]
        if self.rng.random() < 0.4:
            node["name"] = self.rng.choice(NAMESPACES) + "x." + old.rsplit(".", 1)[1]
        else:
            node["name"] = old + "x"
        if self.rng.random() < 0.7:
            node["aliases"] = [old]

    def change_enum(self, node: Schema) -> None:
        choice = self.rng.randrange(4)
        if choice == 0:
            self.rng.shuffle(node["symbols"])
        elif choice == 1:
            for symbol in SYMBOLS:
                if symbol not in node["symbols"] and self.rng.random() < 0.5:
                    node["symbols"].append(symbol)
        elif choice == 2 and len(node["symbols"]) > 1:
            gone = node["symbols"].pop(self.rng.randrange(len(node["symbols"])))
            if node.get("default") == gone or self.rng.random() < 0.5:
                node["default"] = node["symbols"][0]
        else:
            self.rename(node)

    def change_record(self, node: Schema) -> None:
        fields = node["fields"]
        choice = self.rng.randrange(6)
        if choice == 0:
            self.rng.shuffle(fields)
        elif choice == 1 and fields:
            fields.pop(self.rng.randrange(len(fields)))
        elif choice in (2, 3):
            added = {"name": f"n{self.rng.randrange(100)}", "type": self.author.any(DEPTH_MAX - 1)}
            if all(field["name"] != added["name"] for field in fields):
                if self.rng.random() < 0.9:
                    added["default"] = default_of(added["type"], self.rng)
                fields.insert(self.rng.randrange(len(fields) + 1), added)
        elif choice == 4 and fields:
            field = self.rng.choice(fields)
            if all(other["name"] != field["name"] + "r" for other in fields):
                if self.rng.random() < 0.8:
                    field["aliases"] = [field["name"]]
                field["name"] += "r"
        else:
            self.rename(node)


def default_of(schema: Schema, rng: random.Random, depth: int = 0) -> Any:
    """A default in JSON. Of a union it is one of the first branch, so that older implementations take it too; of a
    record that has no end it is wrong."""
    if depth > 3 * DEPTH_MAX:
        return None
    what = kind(schema)
    if what == "union":
        return default_of(schema[0], rng, depth + 1)
    if what == "record":
        return {field["name"]: default_of(field["type"], rng, depth + 1) for field in schema["fields"]}
    if what == "array":
        return [default_of(schema["items"], rng, depth + 1) for _ in range(rng.randrange(2))]
    if what == "map":
        return {f"k{i}": default_of(schema["values"], rng, depth + 1) for i in range(rng.randrange(2))}
    if what == "enum":
        return rng.choice(schema["symbols"])
    if what == "fixed":
        return "".join(chr(rng.randrange(256)) for _ in range(schema["size"]))
    return {
        "null": None, "boolean": rng.random() < 0.5, "int": rng.randrange(-9, 9), "long": rng.randrange(-(2**40), 2**40),
        "float": 0.5, "double": -2.25, "bytes": "\u00ff\u0000", "string": "d\u00e9",
    }[what]  # fmt: skip
