"""Rerankers through Bedrock's InvokeModel: Cohere's and Amazon's.

No exchange is recorded: the form is what is known of Amazon's user guide ("Use a reranker model in Amazon Bedrock"),
unconfirmed.
"""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses

VERSION = 2
"""Of Cohere's API, in the body."""


def asks(body: Json) -> bool:
    """Whether an invoke's body wants documents ranked."""
    return "query" in body and "documents" in body


class Rerank(rerank.Ranking):
    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        cohere = "cohere." in facts.model
        body = rerank.encode(asked, {}, losses, takes=("max_tokens_per_doc",) if cohere else ())
        return body | {"api_version": VERSION} if cohere else body

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        return {"results": rerank.results(answer, asked)}


FORM = Rerank()
