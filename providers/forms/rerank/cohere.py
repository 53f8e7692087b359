"""Cohere's ``/v2/rerank``.

Sources: the recorded exchanges; the types of Cohere's Python SDK 7.3.
"""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses


class Rerank(rerank.Ranking):
    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        return rerank.encode(asked, {"model": facts.model}, losses, takes=("max_tokens_per_doc",))

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        units = {"search_units": answer.search_units, "input_tokens": answer.input_tokens}
        billed = {name: value for name, value in units.items() if value is not None}
        return {
            "id": answer.id or "rerank-0",
            "results": rerank.results(answer, asked),
            "meta": {"api_version": {"version": "2"}, **({"billed_units": billed} if billed else {})},
        }


FORM = Rerank()
