"""``/rerank`` as Jina, Together, vLLM and others have it, after Cohere's first form.

No exchange is recorded: that Jina and vLLM follow Cohere is unconfirmed; Together's documentation says it of itself.
"""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.forms import rerank
from providers.forms.rerank import RerankAnswer, RerankRequest
from providers.neutral import Json, Losses


class Rerank(rerank.Ranking):
    def encode_request(self, asked: RerankRequest, facts: Facts, losses: Losses) -> Json:
        body = rerank.encode(asked, {"model": facts.model}, losses)
        if facts.vendor == "jina":
            body["return_documents"] = False  # it sends them back unless told not to
        return body

    def encode_answer(self, answer: RerankAnswer, asked: RerankRequest) -> Json:
        body: Json = {"id": answer.id, "model": answer.model, "results": rerank.results(answer, asked)}
        if answer.input_tokens is not None:
            body["usage"] = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
        if answer.search_units is not None:
            body["meta"] = {"billed_units": {"search_units": answer.search_units}}
        return body


FORM = Rerank()
