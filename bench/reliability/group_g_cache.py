"""What answers of the cache cost, and how often they are recorded."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.reliability.asking import ask_all, running
from bench.reliability.books import held, in_ledger, limits, nanodollars
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from gateway.records import CacheVerdict
from tests.live.instance import Gateway
from tests.live.test_similar import embedding, similar
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream
from tests.live.wire import request

AT_ONCE = 32
PRICE = 9 * 1000 + 4 * 2000
"""Nano-dollars of an answer of the provider."""
SAID = {"hit-exact": CacheVerdict.HIT, "hit-similar": CacheVerdict.SIMILAR, "joined": CacheVerdict.SHARED}
OPENINGS = ("How do I", "How can I", "Please tell me how I", "How could I")
TOPICS = ("reset the password", "cook the rice", "renew the passport", "water the plants", "repair the bicycle")


def _chat(text: str, cache: str = "on", *, stream: bool = False) -> bytes:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": text}]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return request(body=json.dumps(body, separators=(",", ":")).encode(), fields=[("x-microgate-cache", cache)])


def _asked(rounds: int) -> Iterator[list[bytes]]:
    """What is asked at once: equal requests that are not known, what is known by now, and the same in other words."""
    for number in range(rounds):
        for stream in (False, True):
            # The guard keeps rounds apart.
            word = f"{number} houses"
            texts = [f"{OPENINGS[0]} {topic} of {word}?" for topic in TOPICS]
            yield [_chat(text, stream=stream) for text in texts for _ in range(8)]
            yield [_chat(text, stream=stream) for text in texts for _ in range(8)]
            others = [f"{opening} {topic} of {word}?" for topic in TOPICS for opening in OPENINGS[1:]]
            yield [_chat(text, "read", stream=stream) for text in others for _ in range(2)]


def _even(gateway: Gateway, calls: int) -> tuple[int, int, bool]:
    """Rows of the ledger, what is enforced minus what it says, and whether anything stays reserved, once they agree or
    after a while."""
    seen = (0, 0, True)

    def even() -> bool:
        nonlocal seen
        shown = limits(gateway)
        rows, money = in_ledger(gateway)
        seen = rows, nanodollars(shown[-1]["spent"]) - money, any(held(limit) for limit in shown)
        return seen[0] >= calls and not seen[1] and not seen[2]

    with contextlib.suppress(RuntimeError):
        wait_until(even, "the books are even", 20)
    return seen


@figure("G18", guard="tests/live/test_cache.py")
def hits(quick: bool) -> Outcome:
    """Equal requests under way, known ones and similar ones, plain and streamed, of a key with a budget and a limit."""
    chats = 0

    def script(received: Received) -> list[Step]:
        nonlocal chats
        if received.target.endswith("/embeddings"):
            return embedding(received)
        chats += 1
        return [0.02, *embedding(received)]

    with Upstream(script) as upstream:
        config = similar(upstream, threshold=0.6, guard=True)
        config["prices"] = [{"model": "m", "input": 1, "output": 2}]
        config["virtual_keys"][0] |= {
            "budgets": [{"usd": 1000, "per": "month"}],
            "limits": [{"tokens": 10**9, "per": "day"}, {"requests": 10**7, "per": "day"}],
        }
        with running(config) as gateway:
            gateway.wait_for_control()
            told = []
            for raws in _asked(4 if quick else 40):
                told += ask_all(gateway, raws, AT_ONCE)
            rows, drift, reserved = _even(gateway, chats)
            tokens = next(limit for limit in limits(gateway) if limit["counts"] == "tokens")["spent"]
            ledger = in_ledger(gateway)[1]
            trail = trail_of(gateway)
            gateway.start()
    verdicts = Counter(one.answer.header("x-microgate-cache") or str(one.answer.status) for one in told)
    free = unsaid = 0
    for one in told:
        verdict = one.answer.header("x-microgate-cache") or ""
        if verdict in SAID:
            row = trail.get(one.answer.header("x-microgate-request-id") or "")
            free += 0 if row is None else row.cost_nanodollars
            unsaid += row is None or CacheVerdict(row.cache_verdict) is not SAID[verdict]
    values = {
        "requests": len(told),
        "verdicts": ", ".join(f"{what} {number}" for what, number in sorted(verdicts.items())),
        "calls of the provider": chats,
        "rows of the ledger, of calls alone": rows,
        "rows of the request log": len(trail),
        "hits without a row that says so": unsaid,
        "cost of hits, nano-dollars": free,
        "the ledger minus calls x price, nano-dollars": ledger - chats * PRICE,
        "what is enforced minus the ledger, nano-dollars": drift,
        "tokens counted minus those of calls": int(float(tokens)) - chats * 13,
        "left reserved": "something" if reserved else "nothing",
    }
    right = verdicts["miss"] == chats == rows and len(trail) >= len(told) and not free and not unsaid
    right = right and not drift and not reserved
    right = right and ledger == chats * PRICE and int(float(tokens)) == chats * 13
    return Outcome(values, right and all(verdicts[what] for what in SAID))
