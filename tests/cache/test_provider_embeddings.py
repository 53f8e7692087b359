"""Embeddings that a worker asks a provider for, from upstreams that speak each dialect."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.cache.embedding import provider
from gateway.cache.embedding.batching import Embedding
from gateway.cache.embedding.protocol import NotEmbedded, unit_vector
from gateway.cache.embedding.provider import Collected, ProviderEmbedder, vectors_in
from gateway.control.ledger_rows import rows_of
from gateway.principal import Principal
from gateway.records import ErrorKind, Flags, Kind, Outcome, UsageSource
from gateway.stores.ledger import LedgerRow, Line
from providers.operations import Operation
from tests.cache.loops import Run, runner_on, until
from tests.cache.worker import serving
from tests.live.upstreams import Act, Received, Step, Until, Upstream, http

DIMENSION = 3
TOKENS = 7
PRICE = 100_000
"""Nano-dollars a token."""
LINE, COST, KEY = map(LedgerRow._fields.index, ("line", "cost_nanodollars", "virtual_key"))
NEVER = 3600.0


def numbers(text: str) -> list[float]:
    return [float(len(text)), 1.0, -2.0]


def vector(text: str) -> bytes:
    return unit_vector(numbers(text))


def embeddings(received: Received) -> list[Step]:
    """As documented, in the dialect that the path tells of."""
    body = received.json()
    if "cohere" in received.target:
        said: Any = {"id": "e", "embeddings": {"float": [numbers(text) for text in body["texts"]]},
                     "meta": {"billed_units": {"input_tokens": TOKENS}}}  # fmt: skip
    elif "gemini" in received.target:
        said = {"embeddings": [{"values": numbers(one["content"]["parts"][0]["text"])} for one in body["requests"]]}
    elif "titan" in received.target:
        said = {"embedding": numbers(body["inputText"]), "inputTextTokenCount": TOKENS}
    else:
        data = [numbers(text) for text in body["input"]]
        encoded: list[Any] = data
        if body.get("encoding_format") == "base64":
            encoded = [base64.b64encode(struct.pack("<3f", *row)).decode() for row in data]
        rows = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(encoded)]
        said = {"object": "list", "data": rows[::-1], "model": "e",
                "usage": {"prompt_tokens": TOKENS, "total_tokens": TOKENS}}  # fmt: skip
    return [http(json.dumps(said))]


def configuration(upstream: Upstream, **providers: dict[str, Any]) -> dict[str, Any]:
    origin = upstream.url.removesuffix("/v1")
    keys = [{"name": "k", "value": "sk-upstream-canary"}]
    made = {
        name: {"vendor": "custom", "base_url": f"{origin}/{name}", "keys": keys, **more}
        for name, more in providers.items()
    }
    price = {"model": "*", "input": 100, "output": 0}
    return {"providers": made, "prices": [price]}


def somebody(number: int = 42) -> Principal:
    return Principal(0, 0, number, 0, 0, [], 0, 0, 5, 6, {})


@pytest.fixture
def run() -> Run:
    """Connections to upstreams are made for the loop that workers have."""
    return runner_on("uvloop")


def test_vectors_of_a_provider_and_its_record(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                embedder = ProviderEmbedder(worker.core, "plain/e")
                assert (embedder.name, embedder.dimension) == ("plain/e", 0)
                texts = ["a", "Mérida", "a longer text"]
                assert await embedder.embed(texts, somebody()) == [vector(text) for text in texts]
                assert embedder.dimension == DIMENSION
                (received,) = upstream.requests
                assert received.target == "/plain/embeddings"
                assert received.header("authorization") == "Bearer sk-upstream-canary"
                assert received.header("content-type") == "application/json"
                assert received.json() == {"model": "e", "input": texts}
                (row,) = worker.records()
                assert (row.kind, row.flags) == (Kind.SHADOW, Flags.SHADOW | Flags.EMBEDDING)
                assert (row.operation, row.status, row.outcome) == (Operation.EMBEDDINGS, 200, Outcome.OK)
                assert (row.virtual_key, row.team, row.customer) == (42, 5, 6)
                assert (row.attempt, row.attempts, row.target_model) == (1, 1, "e")
                assert (row.prompt_tokens, row.usage_source) == (TOKENS, UsageSource.PROVIDER)
                assert row.cost_nanodollars == TOKENS * PRICE
                (charged,) = rows_of(list(row))
                assert (charged[LINE], charged[COST], charged[KEY]) == (Line.SHADOW, TOKENS * PRICE, 42)
                assert worker.core.in_flight == 0
                assert embedder.under_way == set()

    run(main)


def test_base64_is_asked_of_vendors_that_document_it(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            config = configuration(upstream, known={"vendor": "openai"}, other={})
            config["routes"] = {
                "mixed": {"targets": ["known/e", "other/e"]},
                "one": {"targets": ["known/e"], "fallbacks": ["known/f"]},
            }
            async with serving(tmp_path / "w", config) as worker:
                for model, encoding in (("known/e", "base64"), ("other/e", None), ("mixed", None), ("one", "base64")):
                    upstream.clear()
                    assert await ProviderEmbedder(worker.core, model).embed(["a", "bb"]) == [vector("a"), vector("bb")]
                    assert upstream.requests[0].json().get("encoding_format") == encoding
                shortening = ProviderEmbedder(worker.core, "known/e", DIMENSION, shorten=True)
                assert shortening.name == f"known/e@{DIMENSION}"
                await shortening.embed(["a"])
                assert upstream.requests[-1].json()["dimensions"] == DIMENSION

    run(main)


@pytest.mark.parametrize(("name", "dialect", "model"), [("cohere", "cohere", "e"), ("gemini", "gemini", "e")])
def test_of_other_dialects(tmp_path: Path, run: Run, name: str, dialect: str, model: str) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            config = configuration(upstream, **{name: {"dialect": dialect}})
            async with serving(tmp_path / "w", config) as worker:
                made = ProviderEmbedder(worker.core, f"{name}/{model}")
                assert await made.embed(["a", "bb"]) == [vector("a"), vector("bb")]
                assert len(upstream.requests) == 1

    run(main)


def test_a_model_that_takes_one_text_is_asked_for_one_at_a_time(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            config = configuration(upstream, bedrock={"dialect": "bedrock"})
            async with serving(tmp_path / "w", config) as worker:
                embedder = ProviderEmbedder(worker.core, "bedrock/amazon.titan-embed-text-v2:0")
                made = Embedding(worker.core.loop, embedder, NEVER)
                asked = [made.vector_of(text) for text in ("a", "bb")]
                assert [await cast("asyncio.Future[bytes]", one) for one in asked] == [vector("a"), vector("bb")]
                assert [received.json()["inputText"] for received in upstream.requests] == ["a", "bb"]
                assert made.failed == 0
                await made.close()

    run(main)


def test_it_is_asked_again_and_elsewhere_like_any_request(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        def failing(received: Received) -> list[Step]:
            return [http(b'{"error":{"message":"boom"}}', 500)]

        with Upstream(failing) as sick, Upstream(embeddings) as well:
            config = configuration(well, other={})
            config["providers"]["first"] = configuration(sick, first={})["providers"]["first"]
            config["routes"] = {"both": {"targets": ["first/e"], "fallbacks": ["other/e"]}}
            async with serving(tmp_path / "w", config) as worker:
                embedder = ProviderEmbedder(worker.core, "both")
                assert await embedder.embed(["a"], somebody()) == [vector("a")]
                first, last = worker.records()
                assert (first.kind, first.status, last.kind, last.status) == (Kind.ATTEMPT, 500, Kind.SHADOW, 200)
                assert first.flags & last.flags & Flags.EMBEDDING
                assert (last.attempt, last.attempts) == (2, 2)
                assert [row[LINE] for row in rows_of([*first, *last])] == [Line.SHADOW, Line.SHADOW]

    run(main)


def answering(status: int = 200, body: bytes | str = b"") -> Callable[[Received], list[Step]]:
    return lambda received: [http(body, status)]


def rows(*vectors: object) -> str:
    return json.dumps({"data": [{"index": at, "embedding": one} for at, one in enumerate(vectors)]})


BAD = {
    "no JSON": (answering(200, "<html>"), "not valid JSON"),
    "another answer": (answering(200, '{"choices":[]}'), "none with embeddings"),
    "a row too few": (answering(200, rows([1.0])), "1 vectors for 2 texts"),
    "no number": (answering(200, rows([1.0], ["x"])), "no number"),
    "null": (answering(200, rows([1.0], [None])), "no number"),
    "zero": (answering(200, rows([1.0], [0.0])), "no direction"),
    "not finite": (answering(200, rows([1.0], [1e39])), "direction|number"),
    "no list": (answering(200, rows([1.0], {})), "no list"),
    "no base64": (answering(200, rows("AACAPw==", "%")), "base64"),
    "half a number": (answering(200, rows("AACAPw==", "AAA=")), "float32"),
    "two sizes": (answering(200, rows([1.0], [1.0, 2.0])), "numbers"),
    "an error": (answering(401, '{"error":{"message":"no such key"}}'), "status 401: no such key"),
    "gone": (lambda received: [Act.RESET], "closed"),
    "half": (lambda received: [http(rows([1.0], [1.0]))[:-20], Act.CLOSE], "before its end|closed|ended"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_answer_is_no_vector(tmp_path: Path, run: Run, case: str) -> None:
    script, words = BAD[case]

    async def main() -> None:
        with Upstream(cast(Any, script)) as upstream:
            config = configuration(upstream, plain={})
            config["retry"] = {"attempts": 1}
            async with serving(tmp_path / "w", config) as worker:
                with pytest.raises(NotEmbedded, match=words) as raised:
                    await ProviderEmbedder(worker.core, "plain/e").embed(["a", "bb"])
                assert not raised.value.text_at_fault
                (row,) = worker.records()
                assert row.flags & Flags.EMBEDDING

    run(main)


def test_a_large_answer_is_taken_in_pieces(tmp_path: Path, run: Run) -> None:
    large = [0.123456789 + at for at in range(4000)]

    async def main() -> None:
        def answer(received: Received) -> list[Step]:
            whole = http(rows(*[large] * 16))
            return [whole[at : at + 50_000] for at in range(0, len(whole), 50_000)]

        with Upstream(answer) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                made = await ProviderEmbedder(worker.core, "plain/e").embed(["text"] * 16)
                assert made == [unit_vector(large)] * 16

    run(main)


def test_a_text_that_the_provider_refuses_is_at_fault(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(answering(400, '{"error":{"message":"too many tokens"}}')) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                with pytest.raises(NotEmbedded, match="too many tokens") as raised:
                    await ProviderEmbedder(worker.core, "plain/e").embed(["a"])
                assert raised.value.text_at_fault
                assert len(upstream.requests) == 1

    run(main)


def test_another_dimension_is_another_models(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                with pytest.raises(NotEmbedded, match="3 numbers, not 4"):
                    await ProviderEmbedder(worker.core, "plain/e", 4).embed(["a"])
                with pytest.raises(NotEmbedded, match="no provider has the model 'nobody/e'"):
                    await ProviderEmbedder(worker.core, "nobody/e").embed(["a"])

    run(main)


def test_cancelled_it_gives_the_call_up(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(lambda received: [Act.HOLD]) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                embedder = ProviderEmbedder(worker.core, "plain/e")
                task = asyncio.create_task(embedder.embed(["a"]))
                await until(lambda: upstream.requests)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await until(lambda: upstream.visits[0].closed)
                (row,) = worker.records()
                assert (row.outcome, row.error_kind) == (Outcome.CLIENT_ABORT, ErrorKind.CLIENT_GONE)
                assert embedder.under_way == set()

    run(main)


def test_a_worker_that_goes_cuts_them(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(lambda received: [Act.HOLD]) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                embedder = ProviderEmbedder(worker.core, "plain/e")
                task = asyncio.create_task(embedder.embed(["a"]))
                await until(lambda: upstream.requests)
                worker.core.draining = True
                embedder.cut_all()
                with pytest.raises(NotEmbedded, match="going"):
                    await task
                await until(lambda: upstream.visits[0].closed)
                (row,) = worker.records()
                assert (row.outcome, row.error_kind) == (Outcome.DRAINED, ErrorKind.DRAINING)
                with pytest.raises(NotEmbedded, match="going"):
                    await embedder.embed(["a"])

    run(main)


def test_texts_of_a_key_go_only_where_it_may(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(embeddings) as upstream:
            config = configuration(upstream, here={}, there={})
            config["routes"] = {"both": {"targets": ["here/e"], "fallbacks": ["there/e"]}}
            keys = [{}, {"providers": ["here"]}, {"models": ["other/*"]}, {"providers": ["here", "there"]}]
            config["virtual_keys"] = [
                {"name": f"k{at}", "value": f"sk-{at}-0123456789012345678901", **rules} for at, rules in enumerate(keys)
            ]
            async with serving(tmp_path / "w", config) as worker:
                callers = [worker.core.principal_of(f"sk-{at}-0123456789012345678901".encode()) for at in range(4)]
                found = {
                    model: [ProviderEmbedder(worker.core, model).may_see(cast(Principal, one)) for one in callers]
                    for model in ("here/e", "there/e", "both")
                }
                assert found == {
                    "here/e": [True, True, True, True],
                    "there/e": [True, False, True, True],
                    "both": [True, False, True, True],
                }

    run(main)


def test_a_worker_that_goes_leaves_nothing_behind(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        with Upstream(lambda received: [Act.HOLD]) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                made = Embedding(worker.core.loop, ProviderEmbedder(worker.core, "plain/e"), NEVER)
                asked = made.vector_of("a")
                await until(lambda: upstream.requests)
                made.cut_all()
                assert await cast("asyncio.Future[bytes]", asked) is None
                await made.close()
                (row,) = worker.records()
                assert row.outcome == Outcome.DRAINED
                await until(lambda: upstream.visits[0].closed)

    run(main)


def test_a_provider_that_hangs_holds_up_no_request_beyond_its_limit(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        held: list[Received] = []
        gate = asyncio.Event()

        def slowly(received: Received) -> list[Step]:
            held.append(received)
            return [Until(gate.is_set), *embeddings(received)]

        with Upstream(slowly) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                made = Embedding(worker.core.loop, ProviderEmbedder(worker.core, "plain/e"), 0.01)
                asked = [made.vector_of(text) for text in ("a", "bb", "a")]
                # Each comes to its end while the provider is still silent.
                assert [await cast("asyncio.Future[bytes]", one) for one in asked] == [None, None, None]
                assert made.late == 3
                await until(lambda: held)
                gate.set()
                await until(lambda: made.vector_of("a") == vector("a"))
                assert made.vector_of("bb") == vector("bb")
                await made.close()

    run(main)


def test_one_that_never_answers_is_given_up(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "LONGEST_NS", 10_000_000)

    async def main() -> None:
        with Upstream(lambda received: [Act.HOLD]) as upstream:
            async with serving(tmp_path / "w", configuration(upstream, plain={})) as worker:
                with pytest.raises(NotEmbedded, match="within the time"):
                    await ProviderEmbedder(worker.core, "plain/e").embed(["a"])
                (row,) = worker.records()
                assert row.error_kind == ErrorKind.TIMEOUT_TOTAL

    run(main)


def test_a_failure_leaves_no_circle(tmp_path: Path, run: Run) -> None:
    """Workers collect garbage only when nothing runs."""

    async def main() -> None:
        with Upstream(lambda received: [Act.RESET]) as upstream:
            config = configuration(upstream, plain={})
            config["retry"] = {"attempts": 1}
            async with serving(tmp_path / "w", config) as worker:
                embedder = ProviderEmbedder(worker.core, "plain/e")
                made = Embedding(worker.core.loop, embedder, NEVER)
                gc.collect()
                gc.disable()
                try:
                    for text in ("a", "b", "c"):
                        assert await cast("asyncio.Future[bytes]", made.vector_of(text)) is None
                    with pytest.raises(NotEmbedded):
                        await ProviderEmbedder(worker.core, "nobody/e").embed(["a"])
                    await asyncio.sleep(0)
                    left = [one for one in gc.get_objects() if isinstance(one, (Collected, NotEmbedded))]
                    assert len(upstream.requests) == 3
                    assert left == []
                finally:
                    gc.enable()
                await made.close()

    run(main)


def test_rows_are_taken_by_their_index() -> None:
    said = [{"index": 1, "embedding": numbers("bb")}, {"index": 0, "embedding": numbers("a")}]
    assert vectors_in(json.dumps({"data": said}).encode(), 2) == [vector("a"), vector("bb")]
    for bad in ([said[0], said[0]], [said[1], {**said[0], "index": 2}], [said[1], {"embedding": [1.0]}]):
        with pytest.raises(NotEmbedded):
            vectors_in(json.dumps({"data": bad}).encode(), 2)
