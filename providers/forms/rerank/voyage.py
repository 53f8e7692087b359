"""``/rerank`` of Voyage and of Fireworks, whose results stand in ``data``.

Source: the recorded exchange of Voyage; that Fireworks answers likewise is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.base import Form
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses


class Rerank(Form[RerankRequest, RerankAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> RerankRequest:
        return rerank.decode(body)

    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        fireworks = facts.vendor == "fireworks"
        body = rerank.encode(asked, {"model": facts.model}, "top_n" if fireworks else "top_k", losses)
        if fireworks:
            body["return_documents"] = False
        elif asked.truncation is not None:
            body["truncation"] = asked.truncation
        if fireworks and asked.truncation is not None:
            losses.lose("truncation")
        if asked.max_tokens_per_doc is not None:
            losses.lose("max_tokens_per_doc")
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> RerankAnswer:
        return rerank.ranked(body.get("data"), body)

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        found = rerank.results(answer, asked, bare=True)
        return {
            "object": "list",
            "data": found,
            "model": answer.model,
            "usage": {"total_tokens": answer.input_tokens or 0},
        }


FORM = Rerank()
