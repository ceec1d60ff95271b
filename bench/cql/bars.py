"""What is asked of the results, and whether they hold it."""

from __future__ import annotations


class Bars:
    def __init__(self) -> None:
        self.all: list[dict] = []

    def _add(self, bar: str, bound: str, unit: str, asked: float, came_to: float, held: bool) -> None:
        of = {"bar": bar, "asked": asked, "came_to": round(came_to, 3), "held": held}
        self.all.append(of | {"bound": bound, "unit": unit})

    def at_most(self, bar: str, asked: float, came_to: float, unit: str = "times") -> None:
        self._add(bar, "at most", unit, asked, came_to, came_to <= asked)

    def at_least(self, bar: str, asked: float, came_to: float, unit: str = "times") -> None:
        self._add(bar, "at least", unit, asked, came_to, came_to >= asked)

    def show(self) -> None:
        if not self.all:
            return
        print("\nAgainst the bars:")
        for one in self.all:
            held = "held" if one["held"] else "NOT HELD"
            print(f"  {one['bar']:<62}{one['came_to']:>9.3f}  ({one['bound']} {one['asked']:g} {one['unit']})  {held}")
