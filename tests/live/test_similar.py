"""Similar questions get one answer, where that is wanted, and only of one's own."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, files_in
from tests.live.test_cache import OTHER, THIRD, chat, send, until_hit, verdict
from tests.live.test_entities_api import Api
from tests.live.upstreams import USAGE, Received, Step, Upstream, http, ordinary
from tests.live.wire import KEY
from tests.waiting import wait_for

DIMENSION = 64
SENTENCE = "How do I reset the password of my account?"
SIMILAR = "How can I reset the password of my account?"
ANOTHER = "How do I reset the password of 2 accounts?"


def vector(text: str) -> list[float]:
    """Of the words of a text: texts that share most of them are near each other."""
    found = [0.0] * DIMENSION
    for word in re.findall(r"\w+", text.lower()):
        found[sum(word.encode()) % DIMENSION] += 1.0
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


def embedding(received: Received) -> list[Step]:
    """Embeddings, and answers to whatever else is asked."""
    if not received.target.endswith("/embeddings"):
        return ordinary(received)
    texts = received.json()["input"]
    texts = [texts] if isinstance(texts, str) else texts
    rows = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return [http(json.dumps({"object": "list", "data": rows, "model": "e", "usage": usage}))]


def answering(answers: dict[str, str]) -> Any:
    """Answers by what the question has in it."""

    def script(received: Received) -> list[Step]:
        if received.target.endswith("/embeddings"):
            return embedding(received)
        text = received.json()["messages"][-1]["content"]
        said = next((answer for part, answer in answers.items() if part in text), "hello")
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}
        return [http(json.dumps(body))]

    return script


def similar(upstream: Upstream, **semantic: Any) -> dict[str, Any]:
    keys = [
        {"name": "test", "value": KEY, "team": "red"},
        {"name": "other", "value": OTHER, "team": "red"},
        {"name": "third", "value": THIRD},
    ]
    # Vectors are not waited for in vain on a busy machine.
    rules = {
        "embedder": "mock/e",
        "threshold": 0.8,
        "mode": "threshold",
        "audit": 0,
        "embed_timeout": "30s",
        **semantic,
    }
    scope = rules.pop("scope", "key")
    cache = {"enabled": True, "scope": scope, "semantic": rules}
    return configuration(upstream.url, cache=cache, virtual_keys=keys, teams={"red": {}})


def until_kept(gateway: Gateway, text: str) -> None:
    """Ask until the answer is known. A question is kept behind its answer, in the same batch or the next."""
    until_hit(gateway, chat(text))
    send(gateway, chat("What comes behind it?"))
    until_hit(gateway, chat("What comes behind it?"))


def until_similar(gateway: Gateway, first: str, then: str, key: str = KEY) -> Any:
    """Ask ``first`` until it is known, and ``then``, whose own answer is not kept, until it is answered by it."""
    last: list[Any] = []

    def found() -> bool:
        send(gateway, chat(first), key)
        last[:] = [send(gateway, chat(then), key, **{"": "read"})]
        return verdict(last[0]) == "hit-similar"

    wait_for(found, "a similar hit")
    return last[0]


@pytest.fixture(scope="module")
def gateway(start_for_module: Start, upstream_for_module: Upstream) -> Gateway:
    upstream_for_module.script = embedding
    return start_for_module(similar(upstream_for_module))


def test_a_similar_question_gets_the_answer(gateway: Gateway) -> None:
    answer = until_similar(gateway, SENTENCE, SIMILAR)
    assert 0.8 <= float(answer.header("x-microgate-cache-similarity")) < 1
    assert (answer.header("x-microgate-cost"), answer.header("x-microgate-attempts")) == ("0", "0")
    # What the guard reads from the text is another question, however near the vectors are.
    assert verdict(send(gateway, chat(ANOTHER), KEY, **{"": "read"})) == "miss"
    assert verdict(send(gateway, chat("Where is the moon tonight?"))) == "miss"


def test_all_else_has_to_be_equal(gateway: Gateway) -> None:
    until_similar(gateway, SENTENCE, SIMILAR)
    spoken = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, *chat(SIMILAR)["messages"]]}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, *chat(SIMILAR)["messages"]]
    for other in (spoken, chat(SIMILAR, temperature=0.3), chat(SIMILAR, stream=True), chat("", messages=turns)):
        assert verdict(send(gateway, other, KEY, **{"": "read"})) == "miss", other


def test_nobody_gets_the_answers_of_others(gateway: Gateway) -> None:
    until_similar(gateway, SENTENCE, SIMILAR)
    for key in (OTHER, THIRD):
        assert verdict(send(gateway, chat(SIMILAR), key, **{"": "read"})) == "miss"
    assert verdict(send(gateway, chat(SIMILAR), KEY, **{"-scope": "somebody"})) == "miss"


def explained(gateway: Gateway, body: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    answer = send(gateway, body, key, **{"": "explain"})
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    return told


def test_an_explanation_tells_the_nearest_questions_and_what_is_against_them(
    gateway: Gateway, upstream_for_module: Upstream
) -> None:
    cosine = float(until_similar(gateway, SENTENCE, SIMILAR).header("x-microgate-cache-similarity"))
    told = explained(gateway, chat(SIMILAR))
    similar = told["similar"]
    assert (told["verdict"], told["exact"], similar["hit"]) == ("hit-similar", None, True)
    assert (similar["mode"], similar["threshold"], similar["question"]) == ("threshold", 0.8, SIMILAR)
    nearest = similar["nearest"][0]
    assert (nearest["similarity"], nearest["decision"], nearest["chance"]) == (round(cosine, 4), "hit", 1.0)
    assert (nearest["guard"], nearest["question"]) == (None, SENTENCE)
    guarded = explained(gateway, chat(ANOTHER))
    against = guarded["similar"]["nearest"][0]
    assert (guarded["verdict"], against["decision"], bool(against["guard"])) == ("miss", "differs", True)
    alone = explained(gateway, chat(SIMILAR), THIRD)
    assert (alone["verdict"], alone["similar"]["nearest"]) == ("miss", [])
    assert alone["similar"]["because"] == "no such question is known"
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, *chat(SIMILAR)["messages"]]
    longer = explained(gateway, chat("", messages=turns))["similar"]
    assert (longer["question"], "at most 1 turns" in longer["because"]) == (None, True)
    # Of a question whose answer is known no vector is wanted.
    assert explained(gateway, chat(SENTENCE))["similar"] is None


def test_an_embedder_that_does_not_answer_makes_misses(upstream: Upstream, start_gateway: Start) -> None:
    def hanging(received: Received) -> list[Step]:
        return [60.0] if received.target.endswith("/embeddings") else ordinary(received)

    upstream.script = hanging
    gateway = start_gateway(similar(upstream, embed_timeout="50ms"))
    for _ in range(3):
        answer = send(gateway, chat(SENTENCE), KEY, **{"": "refresh"})
        assert (answer.status, verdict(answer)) == (200, "miss")


def test_shadow_mode_only_counts(upstream: Upstream, start_gateway: Start) -> None:
    upstream.script = embedding
    gateway = start_gateway(similar(upstream, mode="shadow"))

    until_kept(gateway, SENTENCE)
    for _ in range(5):
        assert verdict(send(gateway, chat(SIMILAR), KEY, **{"": "read"})) == "miss"
    gateway.stop()
    assert json.loads((Path(gateway.paths.cache_dir) / "figures.json").read_text())["totals"]["would_hit"] >= 5


def test_verified_mode_learns_and_remembers(upstream: Upstream, start_gateway: Start) -> None:
    """Every answer is the same one: after some comparisons similar questions are answered from the cache, and a restart
    forgets none of it."""
    said = "Open the settings of your account, choose security, and press the button to reset the password there."
    upstream.script = answering({"password": said})
    gateway = start_gateway(similar(upstream, mode="verified", error_bound=0.2))
    number = 0

    def hit() -> bool:
        nonlocal number
        number += 1
        # Other words each time, so that the answer is not known exactly.
        words = ["please", "quickly", "kindly", "safely", "myself", "alone", "there", "online", "gladly", "simply"]
        some = [words[number // 10**place % 10] for place in range(4)]
        text = f"How do I {some[0]} {some[1]} reset the {some[2]} password of my {some[3]} account?"
        return verdict(send(gateway, chat(text))) == "hit-similar"

    wait_for(hit, "a verified hit")
    gateway.stop()
    gateway.start()
    wait_for(hit, "a verified hit behind the restart")


def test_all_of_it_is_set_through_the_api(start_gateway: Start, upstream: Upstream) -> None:
    upstream.script = embedding
    settings = similar(upstream)
    gateway = start_gateway({name: value for name, value in settings.items() if name != "cache"})
    api, path = Api(gateway), "/api/settings/cache"
    semantic = settings["cache"]["semantic"] | {"mode": "shadow"}
    lan = {"enabled": False, "semantic": {**semantic, "store": "weaviate://:canary-0123456789@10.9.9.9"}}
    refused = api.asked("PUT", path, {"spec": lan}, 0)
    assert (refused.status, b"send allow_private: true" in refused.body) == (400, True), refused.body
    shown = api.told("PUT", path, {"spec": lan, "allow_private": True}, 0)
    assert shown["spec"]["semantic"]["store"] == "....9.9"
    assert api.told("GET", "/api/cache")["settings"]["semantic"]["store"] == "weaviate://10.9.9.9"
    shown = api.told("PUT", path, {"spec": {"enabled": True, "semantic": semantic}}, shown["version"])
    wait_for(lambda: api.told("GET", "/api/cache")["running"], "the cache process")
    until_kept(gateway, SENTENCE)
    assert verdict(send(gateway, chat(SIMILAR), KEY, **{"": "read"})) == "miss"
    # Another mode is in force in workers and in the process that keeps the answers, which are still there.
    semantic["mode"] = "threshold"
    shown = api.told("PUT", path, {"spec": {"enabled": True, "semantic": semantic}}, shown["version"])
    wait_for(lambda: verdict(send(gateway, chat(SENTENCE), KEY, **{"": "read"})) == "hit-exact", "what was kept before")
    until_similar(gateway, SENTENCE, SIMILAR)
    wait_for(
        lambda: (api.told("GET", "/api/cache")["semantic"] or {}).get("mode") == "threshold", "the cache process's mode"
    )
    everything = [api.asked("GET", each).body for each in ("/api/settings", "/api/cache", "/api/audit", "/api/export")]
    everything += files_in(gateway.data_dir).values()
    assert not any(b"canary-0123456789" in each for each in everything)
    api.told("DELETE", path, version=shown["version"], status=204)
    assert not api.told("GET", "/api/cache")["settings"]["enabled"]
    assert send(gateway, chat(SENTENCE)).header("x-microgate-cache") in (None, "bypass")
