"""What happens to the group, decided by a seed."""

from __future__ import annotations

import dataclasses
import random
from typing import Iterator

GAP_S = (0.5, 6.0)
DOWN_S = (0.0, 4.0)
SHORT_PAUSE_S = (0.2, 2.0)
LONG_PAUSE_S = (12.0, 20.0)  # past the session's timeout: the others take over while it sleeps
BROKER_EVERY = 12  # events; the third and then every twelfth is a restart of the broker
STORM_ROUNDS = (3, 5)

WEIGHTS = {"kill": 8, "stop": 8, "abort": 2, "nap": 4, "sleep": 3, "storm": 1}
MEANING = {
    "kill": "SIGKILL, later a start",
    "stop": "SIGTERM, later a start",
    "abort": "SIGTERM twice, later a start",
    "nap": "SIGSTOP and SIGCONT within the session's timeout",
    "sleep": "SIGSTOP until the others have taken over, then SIGCONT",
    "storm": "stop and start several times in a row",
    "broker-stop": "the broker is stopped and started",
    "broker-kill": "the broker is killed and started",
}


@dataclasses.dataclass(frozen=True)
class Event:
    kind: str
    gap_s: float  # before it
    member: int = 0
    lasts_s: float = 0.0  # down, or asleep
    rounds: int = 1


def events(seed: int, members: int, broker: bool) -> Iterator[Event]:
    """Without end; the same for the same arguments."""
    dice = random.Random(f"plan-{seed}")
    number = 0
    while True:
        number += 1
        gap = dice.uniform(*GAP_S)
        if broker and number % BROKER_EVERY == 3:
            yield Event(dice.choice(["broker-stop", "broker-kill"]), gap, lasts_s=dice.uniform(*DOWN_S))
            continue
        kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        lasts = dice.uniform(*{"nap": SHORT_PAUSE_S, "sleep": LONG_PAUSE_S}.get(kind, DOWN_S))
        rounds = dice.randint(*STORM_ROUNDS) if kind == "storm" else 1
        yield Event(kind, gap, dice.randrange(members), lasts, rounds)
