"""Cohere's ``/v2/rerank``.

Sources: the recorded exchanges; the types of Cohere's Python SDK 7.3.
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
        body = rerank.encode(asked, {"model": facts.model}, "top_n", losses)
        if asked.max_tokens_per_doc is not None:
            body["max_tokens_per_doc"] = asked.max_tokens_per_doc
        if asked.truncation is not None:
            losses.lose("truncation")
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> RerankAnswer:
        return rerank.ranked(body.get("results"), body)

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        units = {"search_units": answer.search_units, "input_tokens": answer.input_tokens}
        billed = {name: value for name, value in units.items() if value is not None}
        return {
            "id": answer.id or "rerank-0",
            "results": rerank.results(answer, asked),
            "meta": {"api_version": {"version": "2"}, **({"billed_units": billed} if billed else {})},
        }


FORM = Rerank()
