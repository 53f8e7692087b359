"""``/rerank`` of Voyage and of Fireworks, whose results stand in ``data``.

Source: the recorded exchange of Voyage; that Fireworks answers likewise is unconfirmed.
"""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses


class Rerank(rerank.Ranking):
    listed = "data"

    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        body: Json = {"model": facts.model}
        if facts.vendor == "fireworks":
            return rerank.encode(asked, body | {"return_documents": False}, losses)
        return rerank.encode(asked, body, losses, top="top_k", takes=("truncation",))

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        found = rerank.results(answer, asked, bare=True)
        return {
            "object": "list",
            "data": found,
            "model": answer.model,
            "usage": {"total_tokens": answer.input_tokens or 0},
        }


FORM = Rerank()
