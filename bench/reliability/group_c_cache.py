"""Streams told again out of the cache."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bench.reliability.asking import running
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from providers.dialects import base, load
from providers.natives import DEMOS
from providers.neutral import Losses, Message, Request, Text
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Act, Received, Step, Upstream, chunk, chunked_head, http, ordinary, stream_events
from tests.live.wire import KEY, Answer, ask, request

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/genai/v1beta/models/{model}:generateContent",
    "bedrock": "/bedrock/model/{model}/converse",
    "cohere": "/cohere/v2/chat",
}
FAILURES = (
    http('{"error":{"message":"no"}}', 400),
    http("{}", 500),
    http("<html>", content_type="text/html"),
    http("{}", 429),
)


def put(gateway: Gateway, caller: str, model: str, text: str, cache: str = "on") -> Answer:
    """A streamed request in the dialect ``caller``."""
    dialect = load(caller)
    wanted = Request("test", messages=[Message("user", [Text(text)], True)], stream=True)
    body = dialect.encode_request(wanted, base.Facts(model), Losses())
    path, query = dialect.stream_path(PATHS[caller])
    path = path.replace("{model}", quote(model, safe="")) + (f"?{query}" if query else "")
    raw = request("POST", path, json.dumps(body).encode(), fields=[("x-microgate-cache", cache)])
    return ask(gateway.port, raw, whole=False)


def verdict(answer: Answer) -> str:
    return answer.header("x-microgate-cache") or ""


def until_hit(gateway: Gateway, caller: str, model: str, text: str) -> Answer:
    """What the cache tells, once it knows it."""
    last: list[Answer] = []

    def hit() -> bool:
        last[:] = [put(gateway, caller, model, text, "read")]
        return verdict(last[0]) == "hit-exact"

    wait_until(hit, f"{model} is kept for {caller}")
    return last[0]


def shapes(gateway: Gateway, texts: Sequence[str]) -> tuple[Counter[str], list[str]]:
    """Streams of every dialect to callers of every dialect, asked twice: what came of it, and where they differ."""
    # The cache process starts behind the workers: what is asked before it is there is not kept.
    wait_until(lambda: verdict(put(gateway, "openai_chat", "demo/echo", "first")) == "hit-exact", "the cache is there")
    found: Counter[str] = Counter()
    differing = []
    for caller in PATHS:
        for provider in ("demo", *DEMOS.values()):
            for text in texts:
                first = put(gateway, caller, f"{provider}/echo", text)
                again = until_hit(gateway, caller, f"{provider}/echo", text)
                same = again.body == first.body and again.header("content-type") == first.header("content-type")
                found["streams"] += 1
                found["bytes"] += len(first.body)
                if verdict(first) != "miss" or first.status != 200 or not first.complete or not same:
                    differing.append(f"{caller} of {provider}")
    return found, differing


def endings(gateway: Gateway, upstream: Upstream, step: int) -> tuple[int, int]:
    """Streams cut at every ``step``-th byte, in three ways, and answers that failed: how many, and how many of them
    were told again."""
    events = stream_events()
    # Behind [DONE] nothing is missing but the end of the framing.
    whole = b"".join(chunk(event) for event in events[:-1])
    scripts: dict[str, list[Step]] = {f"failure {at}": [data] for at, data in enumerate(FAILURES)}
    for at in range(0, len(whole), step):
        for act in (Act.CLOSE, Act.RESET):
            scripts[f"{act.value} at {at}"] = [chunked_head(), whole[:at], act]
    # Neither behind the event that says why it ended: not every provider has a [DONE].
    data = b"".join(events[:-2])
    for at in range(0, len(data), step):
        # The framing is whole, the stream is not.
        scripts[f"end at {at} of {len(data)}"] = [chunked_head(), *([chunk(data[:at])] if at else []), chunk(b"")]

    def script(received: Received) -> list[Step]:
        return scripts[received.json()["messages"][0]["content"]]

    upstream.script = ordinary
    wait_until(lambda: verdict(put(gateway, "openai_chat", "m", "first")) == "hit-exact", "the cache is there")
    upstream.script = script
    for name in scripts:
        put(gateway, "openai_chat", "m", name)
    upstream.script = ordinary
    # Answers are kept in order: what comes behind them is there, so they would be as well.
    put(gateway, "openai_chat", "m", "behind them")
    wait_until(lambda: verdict(put(gateway, "openai_chat", "m", "behind them")) == "hit-exact", "it is kept")
    told = [name for name in scripts if verdict(put(gateway, "openai_chat", "m", name, "read")) != "miss"]
    for name in told:
        print(f"  told again: {name}")
    return len(scripts), len(told)


@figure("C11", guard="tests/live/test_cache.py")
def replay(quick: bool) -> Outcome:
    """Each dialect's streams to callers of each, told again; streams cut anywhere, and failures, asked again."""
    demo: dict[str, Any] = {"virtual_keys": [{"name": "test", "value": KEY}], "cache": {"enabled": True}}
    texts = ["hello there", 'Grüße \U0001f600, "quoted"\nand more ' * 9]
    with running(demo, more=["--demo"]) as gateway:
        found, differing = shapes(gateway, texts[: 1 if quick else None])
    with Upstream() as upstream:
        config = configuration(upstream.url, cache={"enabled": True}, retry={"attempts": 1})
        with running(config) as gateway:
            count, told = endings(gateway, upstream, 97 if quick else 3)
    values: dict[str, Any] = {
        "streams told again, dialects of callers x providers": f"{found['streams']}, {len(PATHS)} x {len(DEMOS) + 1}",
        "bytes of these": found["bytes"],
        "told otherwise than before": ", ".join(sorted(set(differing))) or "none",
        "answers cut off or failed": count,
        "of these told again": told,
    }
    return Outcome(values, not differing and not told)
