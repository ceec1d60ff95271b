"""Records of the reference schema: what benchmarks and tests with real servers read."""

from __future__ import annotations

import decimal
import random
import uuid

WORDS = (
    "shoes winter red blue discount promo kids home garden phone laptop camera audio sport outdoor beauty books toys "
    "sale new"
).split()


class ReferenceRecords:
    """The same for the same seed, as dicts that Avro serializers take; visitors follow a Pareto law (hot keys).

    The order of the draws is the contract: it makes the same seed mean the same records everywhere.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def record(self, i: int) -> dict:
        """The record number `i`; to be requested in order."""
        r = self._random
        visitor = int(r.paretovariate(1.1) * 1000) % 1_000_000
        return {
            "event_id": uuid.UUID(int=r.getrandbits(128)),
            "event_time": 1_760_000_000_000 + i * 5,
            "received_time": 1_760_000_000_000_000 + i * 5_003,
            "partner_id": r.randint(1, 300),
            "visitor_id": f"v{visitor:08d}",
            "kind": r.choice(["PAGE_VIEW"] * 6 + ["CLICK", "ADD_TO_CART", "PURCHASE", "SEARCH", "CUSTOM"]),
            "page": self._page(),
            "device": self._device(),
            "geo": r.choice([None, self._geo()]),
            "consents": {
                key: r.choice(["UNKNOWN", "GRANTED", "DENIED"]) for key in ["analytics", "ads", "personalisation"]
            },
            "products": [self._product() for _ in range(r.choice([0, 0, 1, 1, 2, 3, 5]))],
            "campaign": r.choice([None, self._campaign()]),
            "custom": {
                f"k{j}": r.choice([None, True, 5, 10**12, 2.5, "value", "x" * 20, ["a", "b", "c"]])
                for j in range(r.randint(0, 6))
            },
            "session": {
                "id": uuid.UUID(int=r.getrandbits(128)).hex,
                "sequence": r.randint(0, 50),
                "is_new": r.random() < 0.2,
                "started": 1_760_000_000_000 + i,
            },
            "tags": r.choices(WORDS, k=r.randint(0, 5)),
        }

    def _page(self) -> dict:
        r = self._random
        path = "/".join(r.choices(WORDS, k=r.randint(1, 4)))
        return {
            "url": f"https://www.shop{r.randint(1, 40)}.example/{path}?id={r.randint(1, 10**7)}",
            "title": r.choice([None, " ".join(r.choices(WORDS, k=4)).title()]),
            "referrer": r.choice([None, None, "https://search.example/?q=" + r.choice(WORDS)]),
            "query": {
                key: r.choice(WORDS) for key in r.sample(["q", "utm", "page", "sort", "filter"], r.randint(0, 3))
            },
        }

    def _product(self) -> dict:
        r = self._random
        return {
            "sku": f"SKU-{r.randint(1, 10**6):07d}",
            "name": r.choice([None, " ".join(r.choices(WORDS, k=3))]),
            "price": decimal.Decimal(r.randint(100, 99_999)) / 100,
            "quantity": r.randint(1, 4),
            "categories": r.choices(WORDS, k=r.randint(0, 3)),
            "attributes": {
                key: r.choice([None, True, r.randint(0, 10**9), r.random(), r.choice(WORDS)])
                for key in r.sample(["size", "color", "stock", "rating", "brand"], r.randint(0, 3))
            },
        }

    def _device(self) -> dict:
        r = self._random
        return {
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{r.randint(90, 140)}.0.0.0 Safari/537.36",
            "ip": r.getrandbits(128).to_bytes(16, "big"),
            "screen": r.choice([None, {"width": 1920, "height": 1080}]),
            "viewport": r.choice([None, {"width": 1280, "height": 720}]),
            "languages": r.sample(["fr-FR", "en-US", "de-DE", "es-ES"], r.randint(1, 3)),
        }

    def _geo(self) -> dict:
        r = self._random
        return {
            "country": r.choice(["FR", "DE", "US", "ES"]),
            "city": r.choice([None, "Paris", "Lyon"]),
            "lat": r.uniform(-90, 90),
            "lon": r.uniform(-180, 180),
            "accuracy": r.choice([None, 12.5]),
        }

    def _campaign(self) -> dict:
        r = self._random
        return {
            "source": "newsletter",
            "medium": r.choice([None, "email"]),
            "name": "autumn",
            "landing": r.choice([None, self._page()]),
        }
