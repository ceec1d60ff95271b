"""Writes the tables of docs/concepts/performance.md and its chart from the output of `./dev bench pipeline --json FILE`.

python3 bench/pipeline/document.py FILE
"""

from __future__ import annotations

import argparse
import html
import json
import math
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/concepts/performance.md"
PICTURE = ROOT / "docs/concepts/performance-pipeline.svg"
BEGIN, END = "<!-- made by bench/pipeline/document.py from its JSON: {} -->", "<!-- end of {} -->"

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 130, 90, 62, 30
BACKGROUND, GRID, TEXT, OURS, OTHERS = "#111217", "#2c3235", "#ccccdc", "#73bf69", "#5794f2"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def milliseconds(row: dict) -> list[str]:
    return [f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")]


def beside(rows: list[dict], with_rate: bool = True) -> str:
    ours = {row["in_flight_max"]: row["cpu_us_per_record"] for row in rows if row["name"] == "millrace"}
    head = ["in flight (limit), contestant", "CPU µs per record", "min–max", "ratio to millrace", "records/s",
            "P50 ms", "P95 ms", "P99 ms", "MB resident", "threads", "switches per record"]  # fmt: skip
    lines = []
    for row in rows:
        line = [
            f"{row['in_flight_max']:,} `{row['name']}`" + ("" if row["verified"] else " (rows not verified: invalid)"),
            f"{row['cpu_us_per_record']:.1f}",
            f"{row['cpu_us_least']:.1f}–{row['cpu_us_most']:.1f}",
            f"{row['cpu_us_per_record'] / ours[row['in_flight_max']]:.2f}",
            f"{row['records_per_second']:,}",
            *milliseconds(row),
            f"{row['rss_bytes'] / 1e6:.0f}",
            f"{row['threads']}",
            f"{row['switches_per_record']:.3f}",
        ]
        lines.append(line)
    if not with_rate:
        head, lines = [head[0], head[1], head[3], *head[5:8]], [[x[0], x[1], x[3], *x[5:8]] for x in lines]
    return table(head, lines)


def required(one: dict) -> str:
    """The unit "times less, at least" of 5.5 as "at least 5.5 times less"."""
    unit, bound = one["unit"].split(", ")
    return f"{bound} {one['asked']:g} {unit.replace('us', 'µs')}"


def bars(found: list[dict]) -> str:
    rows = [
        [one["what"], required(one), f"{one['came_to']:.2f}", "met" if one["held"] else "**missed**"]
        for one in found
    ]
    return table(["target", "required", "measured", "result"], rows)


def limits(found: dict[str, float]) -> str:
    names = {
        "consume": "librdkafka only",
        "decode": "librdkafka, and every field decoded",
        "idle": "the record engine, with an empty processor",
        "memory": "the record engine, with lookups in memory",
    }
    rows = [
        [text, f"{found[f'{name}_us_per_record']:.2f}", f"{found[f'{name}_records_per_second']:,.0f}"]
        for name, text in names.items()
    ]
    return table(["work", "CPU µs per record", "records/s"], rows)


def offered(rows: list[dict]) -> str:
    return table(
        ["contestant", "P50 ms", "P95 ms", "P99 ms"], [[f"`{row['name']}`", *milliseconds(row)] for row in rows]
    )


def growth(rows: list[dict]) -> str:
    lines = [
        [f"{row['dimension']}: {row['value']}", f"{row['bytes_per_record']:,}", f"{row['cpu_us_per_record']:.2f}",
         f"{row['against_base']:.2f}", f"{row['records_per_second']:,}"]
        for row in rows
    ]  # fmt: skip
    return table(["dimension", "bytes per record", "CPU µs per record", "ratio to the base", "records/s"], lines)


def picture(rows: list[dict], about: dict) -> str:
    """CPU per record as bars on a logarithmic axis."""
    fewest = min(row["in_flight_max"] for row in rows)
    shown = [row for row in rows if row["in_flight_max"] == fewest]
    height = TOP + ROW * len(shown) + 44
    low = 10.0 ** math.floor(math.log10(min(row["cpu_us_per_record"] for row in shown)))
    high = 10.0 ** math.ceil(math.log10(max(row["cpu_us_per_record"] for row in shown)))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / low) / math.log(high / low)

    parts = [
        f'<rect width="{WIDTH}" height="{height}" rx="4" fill="{BACKGROUND}"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600">CPU per record: decode, SELECT, INSERT, commit</text>',
        f'<text x="16" y="44">µs of user and system time, logarithmic; up to {fewest} records in flight; '
        f"{html.escape(about['machine'].split(',')[0])}</text>",
    ]
    bottom = TOP + ROW * len(shown)
    tick = low
    while tick <= high * 1.001:
        at = f"{x(tick):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
        tick *= 10
    ours = next(row["cpu_us_per_record"] for row in shown if row["name"] == "millrace")
    for number, row in enumerate(shown):
        y, value = TOP + ROW * number, row["cpu_us_per_record"]
        colour = OURS if row["name"].startswith("millrace") else OTHERS
        label = f"{value:.1f} µs" + ("" if row["name"] == "millrace" else f" · {value / ours:.1f}×")
        parts.append(f'<text x="{LEFT - 10}" y="{y + 19}" text-anchor="end">{row["name"]}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y + 5}" width="{x(value) - LEFT:.1f}" height="{ROW - 10}" fill="{colour}"/>')
        parts.append(f'<text x="{x(value) + 6:.1f}" y="{y + 19}">{label}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{TEXT}">\n{body}\n</svg>\n'
    )


def about_text(about: dict, flags: list[tuple[str, str]]) -> str:
    builds = "; ".join(f"`{name}`: {how}" for name, how in flags if how)
    return (
        f"{about['records']:,} records of {about['bytes_per_record']} bytes, {about['rounds']} interleaved rounds, medians. "
        f"{about['machine']}. {builds}."
    )


def replaced(page: str, name: str, text: str) -> str:
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=pathlib.Path)
    found = json.loads(parser.parse_args().json.read_text())
    flags = list(dict.fromkeys((row["name"], row["flags"]) for row in found["rows"]))
    texts = {
        "about": about_text(found["about"], flags),
        "contestants": beside(found["rows"]),
        "bars": bars(found["bars"]),
        "limits": limits(found["limits"]),
        "offered": offered(found["offered"]),
        "cassandra": beside(found["cassandra"], with_rate=False),
        "growth": growth(found["growth"]),
    }
    page = PAGE.read_text()
    for name, text in texts.items():
        page = replaced(page, name, text)
    PAGE.write_text(page)
    PICTURE.write_text(picture(found["rows"], found["about"]))


if __name__ == "__main__":
    main()
