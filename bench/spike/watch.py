"""The application's metrics, sample by sample, and the latencies between two samples."""

from __future__ import annotations

import dataclasses

from contestants import buckets_of, quantile, total

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

# Key in the results: family, what the labels hold, and the scale of the unit in the key's name.
LATENCIES = {
    "select_us": ("millrace_statement_seconds", 'statement="select ', 1e6),
    "insert_us": ("millrace_statement_seconds", 'statement="insert ', 1e6),
    "consume_ms": ("millrace_consume_delay_seconds", "", 1e3),
    "end_to_end_ms": ("millrace_record_e2e_seconds", "", 1e3),
}


@dataclasses.dataclass
class Look:
    at: float  # seconds since the load began
    slow: bool
    done: float
    in_flight: float
    lag: float
    buckets: dict[str, dict[float, float]]


def look(page: str, at: float, slow: bool) -> Look:
    return Look(
        at,
        slow,
        done=total(page, "millrace_records_done_total"),
        in_flight=total(page, "millrace_in_flight_records"),
        lag=total(page, "millrace_consumer_lag_records"),
        buckets={key: buckets_of(page, family, labelled) for key, (family, labelled, _) in LATENCIES.items()},
    )


def latencies(begin: Look, end: Look) -> dict[str, dict[str, float | None]]:
    found = {}
    for key, (_, _, scale) in LATENCIES.items():
        between = sorted((bound, count - begin.buckets[key].get(bound, 0.0)) for bound, count in end.buckets[key].items())
        none = not between or between[-1][1] <= 0
        found[key] = {name: None if none else round(quantile(between, q) * scale, 3) for name, q in QUANTILES.items()}
    return found


def samples(looks: list[Look]) -> list[dict]:
    """One for each pair of neighbours."""
    return [
        latencies(begin, end)
        | {
            "at_seconds": round(end.at, 3),
            "length": end.at - begin.at,
            "slow": begin.slow,
            "records_per_second": round((end.done - begin.done) / (end.at - begin.at)),
            "in_flight": end.in_flight,
            "lag": end.lag,
        }
        for begin, end in zip(looks, looks[1:])
    ]


def phase(looks: list[Look]) -> dict:
    begin, end = looks[0], looks[-1]
    return latencies(begin, end) | {
        "records_per_second": round((end.done - begin.done) / (end.at - begin.at)),
        "in_flight_max": round(max(one.in_flight for one in looks)),
        "lag_max": round(max(one.lag for one in looks)),
    }
