"""Rerankers through Bedrock's InvokeModel: Cohere's and Amazon's.

No exchange is recorded: the form is what is known of Amazon's user guide ("Use a reranker model in Amazon Bedrock"),
unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.base import Form
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses

VERSION = 2
"""Of Cohere's API, in the body."""


def asks(body: Json) -> bool:
    """Whether an invoke's body wants documents ranked."""
    return "query" in body and "documents" in body


class Rerank(Form[RerankRequest, RerankAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> RerankRequest:
        return rerank.decode(body)

    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        cohere = "cohere." in facts.model
        body = rerank.encode(asked, {}, "top_n", losses)
        if cohere:
            body["api_version"] = VERSION
        if cohere and asked.max_tokens_per_doc is not None:
            body["max_tokens_per_doc"] = asked.max_tokens_per_doc
        elif asked.max_tokens_per_doc is not None:
            losses.lose("max_tokens_per_doc")
        if asked.truncation is not None:
            losses.lose("truncation")
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> RerankAnswer:
        return rerank.ranked(body.get("results"), body)

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        return {"results": rerank.results(answer, asked)}


FORM = Rerank()
