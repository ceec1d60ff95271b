"""Cycles of units inside a library.

A unit is the header and the sources of one stem: include/millrace/LIB/a.h, src/a.h and src/a.cc are the unit `a`;
src/x/a.cc is the unit `x/a`. Unit A depends on unit B when a file of A includes a header of B, in quotes or as
<millrace/LIB/B.h>. The units that reach each other form a cycle (a strongly connected component); the size of the
largest one is what the rule limits.
"""

from __future__ import annotations

import pathlib
import re

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
Graph = dict[str, dict[str, str]]  # unit -> included unit -> file:line


def unit_of(name: pathlib.PurePosixPath) -> str:
    """libs/LIB/include/millrace/LIB/a.h and libs/LIB/src/a.cc: a."""
    inside = name.parts[5:] if name.parts[2] == "include" else name.parts[3:]
    return str(pathlib.PurePosixPath(*inside).with_suffix(""))


def graph_of(library: str, texts: dict[pathlib.PurePosixPath, str]) -> Graph:
    """`texts`: the files below include/ and src/ of the library."""
    graph: Graph = {unit_of(name): {} for name in texts}
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if (found := INCLUDE.match(line)) is None:
                continue
            header = pathlib.PurePosixPath(found[2]).with_suffix("")
            if found[1] == "<":
                prefix = f"millrace/{library}/"
                candidates = [found[2].removeprefix(prefix).removesuffix(".h")] if found[2].startswith(prefix) else []
            else:
                candidates = [str(pathlib.PurePosixPath(unit_of(name)).parent / header), str(header)]
            used = next((one for one in candidates if one in graph), None)
            if used and used != unit_of(name):
                graph[unit_of(name)].setdefault(used, f"{name}:{number}")
    return graph


def cycles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one unit, largest first (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(unit: str) -> None:
        index[unit] = low[unit] = len(index)
        stack.append(unit)
        for used in sorted(graph[unit]):
            if used not in index:
                visit(used)
                low[unit] = min(low[unit], low[used])
            elif used in stack:
                low[unit] = min(low[unit], index[used])
        if low[unit] == index[unit]:
            component = stack[stack.index(unit) :]
            del stack[stack.index(unit) :]
            if len(component) > 1:
                found.append(sorted(component))

    for unit in sorted(graph):
        if unit not in index:
            visit(unit)
    return sorted(found, key=lambda component: (-len(component), component))


def shortest_cycle(graph: Graph, component: list[str]) -> list[str]:
    """The includes of one shortest cycle within a component, as "file:line includes unit"."""
    best: list[str] = []
    for start in component:
        paths = {start: [start]}
        queue = [start]
        while queue:
            unit = queue.pop(0)
            for used in sorted(graph[unit]):
                if used == start and (not best or len(paths[unit]) < len(best)):
                    best = paths[unit]
                if used in component and used not in paths:
                    paths[used] = [*paths[unit], used]
                    queue.append(used)
    return [f"{graph[unit][used]} includes {used}" for unit, used in zip(best, [*best[1:], best[0]])]
