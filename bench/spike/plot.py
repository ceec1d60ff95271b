"""A row of time series as SVG, like a dashboard's, without a dependency."""

from __future__ import annotations

import dataclasses
import html
import math

WIDTH, HEIGHT = 380, 220  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 44
GAP = 12
TICKS = 4
BACKGROUND, PANEL, GRID, TEXT, SLOW = "#111217", "#181b1f", "#2c3235", "#ccccdc", "#f2495c"
COLOURS = ("#73bf69", "#5794f2", "#ff9830", "#b877d9")


@dataclasses.dataclass
class Series:
    name: str
    values: list[float | None]


@dataclasses.dataclass
class Panel:
    title: str
    unit: str
    series: list[Series]


def nice(most: float) -> float:
    """The top of an axis: 1, 2, 2.5 or 5 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= most)


def label(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


class Drawing:
    """One panel at (left, top) of the picture."""

    def __init__(self, panel: Panel, at: list[float], slow: tuple[float, float], left: float) -> None:
        self.panel, self.at, self.slow, self.left = panel, at, slow, left
        self.end = max(at)
        most = max((v for s in panel.series for v in s.values if v is not None), default=1.0)
        self.most = nice(most)

    def x(self, seconds: float) -> float:
        return self.left + LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.end

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(value / self.most, 1.0))

    def parts(self) -> list[str]:
        return [*self.frame(), *self.curves()]

    def frame(self) -> list[str]:
        bottom = self.y(0)
        begin, end = self.x(self.slow[0]), self.x(self.slow[1])
        out = [
            f'<rect x="{self.left}" y="0" width="{WIDTH}" height="{HEIGHT}" rx="3" fill="{PANEL}"/>',
            f'<text x="{self.left + 12}" y="20" font-size="13" font-weight="600">{html.escape(self.panel.title)}'
            "</text>",
            f'<rect x="{begin:.1f}" y="{TOP}" width="{end - begin:.1f}" height="{bottom - TOP:.1f}" fill="{SLOW}" '
            'opacity="0.12"/>',
        ]
        for tick in range(TICKS + 1):
            value = self.most * tick / TICKS
            y = self.y(value)
            ends = f'x1="{self.x(0):.1f}" x2="{self.x(self.end):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
            out.append(f'<line {ends} stroke="{GRID}"/>')
            text = label(value) + (f" {self.panel.unit}" if tick == TICKS and self.panel.unit else "")
            out.append(f'<text x="{self.x(0) - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
        for seconds in range(0, int(self.end) + 1, 10):
            at = f'x="{self.x(seconds):.1f}" y="{bottom + 14:.1f}"'
            out.append(f'<text {at} text-anchor="middle">{seconds} s</text>')
        return out

    def curves(self) -> list[str]:
        out = []
        place = self.left + LEFT
        for series, colour in zip(self.panel.series, COLOURS):
            pairs = [(t, v) for t, v in zip(self.at, series.values) if v is not None]
            points = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in pairs)
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            out.append(f'<rect x="{place}" y="{HEIGHT - 17}" width="12" height="3" fill="{colour}"/>')
            out.append(f'<text x="{place + 17}" y="{HEIGHT - 12}">{html.escape(series.name)}</text>')
            place += 30 + 6 * len(series.name)
        return out


def row(panels: list[Panel], at: list[float], slow: tuple[float, float]) -> str:
    width = len(panels) * (WIDTH + GAP) + GAP
    height = HEIGHT + 2 * GAP
    drawings = [Drawing(panel, at, slow, GAP + i * (WIDTH + GAP)) for i, panel in enumerate(panels)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-GAP} {width} {height}" width="{width}" '
        f'height="{height}" font-family="Inter, Helvetica, Arial, sans-serif" font-size="10" fill="{TEXT}">',
        f'<rect x="0" y="{-GAP}" width="{width}" height="{height}" fill="{BACKGROUND}"/>',
        *(part for drawing in drawings for part in drawing.parts()),
        "</svg>\n",
    ]
    return "\n".join(lines)


def spike(samples: list[dict]) -> str:
    """The four panels of a spike; the time in which the database was slow is shaded."""
    at = [s["at_seconds"] for s in samples]
    slow_at = [s for s in samples if s["slow"]]
    slow = (slow_at[0]["at_seconds"] - slow_at[0]["length"], slow_at[-1]["at_seconds"])

    def latency(key: str, scale: float = 1.0) -> list[float | None]:
        return [None if s[key]["p95"] is None else s[key]["p95"] * scale for s in samples]

    def number(key: str) -> list[float | None]:
        return [s[key] for s in samples]

    database = [Series("SELECT", latency("select_us", 1e-3)), Series("INSERT", latency("insert_us", 1e-3))]
    delays = [Series("record to processor", latency("consume_ms")), Series("record to done", latency("end_to_end_ms"))]
    records = [Series("done per second", number("records_per_second")), Series("lag", number("lag"))]
    panels = [
        Panel("Database, P95", "ms", database),
        Panel("Consumption and end to end, P95", "ms", delays),
        Panel("Records in flight", "", [Series("in flight", number("in_flight"))]),
        Panel("Records", "", records),
    ]
    return row(panels, at, slow)
