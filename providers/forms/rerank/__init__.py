"""Reranking: which of some documents answer a query best, whatever the dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from providers.dialects.reading import a_list, a_number, a_text, items, mapping, rest, text, whole
from providers.forms.base import Form
from providers.neutral import Json, Losses, Malformed


class RerankRequest(Struct):
    """What a caller wants ranked."""

    query: str
    documents: list[str]
    top_n: int | None = None
    """None: all."""
    return_documents: bool = False
    """They are put in again here: no provider has to send back what it was sent."""
    max_tokens_per_doc: int | None = None
    truncation: bool | None = None
    extra: Json | None = None


class Ranked(Struct):
    """One document's place."""

    index: int
    score: float


class RerankAnswer(Struct):
    """The best first."""

    results: list[Ranked]
    model: str = ""
    id: str = ""
    input_tokens: int | None = None
    """None: not said."""
    search_units: int | None = None
    """What Cohere bills by."""


KNOWN = frozenset(
    (
        "model", "query", "documents", "top_n", "top_k", "return_documents", "max_tokens_per_doc", "truncation",
        "api_version",
    )
)  # fmt: skip


def decode(body: Json) -> RerankRequest:
    """A caller's request in any of the forms, which differ in little. Raises Malformed."""
    documents = [_document(value) for value in a_list(body.get("documents"), "documents")]
    if not documents:
        raise Malformed("'documents' is empty.", "documents")
    given = body.get("top_n", body.get("top_k"))
    top = a_number(given, "top_n")
    if top is not None and (not isinstance(top, int) or top < 1):
        raise Malformed("'top_n' is no positive whole number.", "top_n")
    most = a_number(body.get("max_tokens_per_doc"), "max_tokens_per_doc")
    cut = body.get("truncation")
    return RerankRequest(
        a_text(body.get("query"), "query"),
        documents,
        top,
        body.get("return_documents") is True,
        most,
        cut if isinstance(cut, bool) else None,
        rest(body, KNOWN),
    )


def _document(value: Any) -> str:
    if isinstance(value, str):
        return value
    said = mapping(value).get("text")
    if isinstance(said, str) and len(value) == 1:
        return said
    raise Malformed(
        "'documents' holds something that is no text: rank fields of objects are not translated.", "documents"
    )


OPTIONAL = ("max_tokens_per_doc", "truncation")


def encode(
    asked: RerankRequest, body: Json, losses: Losses, *, top: str = "top_n", takes: tuple[str, ...] = ()
) -> Json:
    """``body`` with what is ranked; ``top`` is the provider's name for ``top_n``, ``takes`` is what of ``OPTIONAL`` it
    takes."""
    body["query"] = asked.query
    body["documents"] = asked.documents
    if asked.top_n is not None:
        body[top] = asked.top_n
    for name in OPTIONAL:
        value = getattr(asked, name)
        if value is None:
            continue
        if name in takes:
            body[name] = value
        else:
            losses.lose(name)
    losses.leave(asked.extra, body)
    return body


class Ranking(Form[RerankRequest, RerankAnswer]):
    """What the forms have in common: requests, and answers but for the name of their list."""

    listed = "results"

    def decode_request(self, body: Json, *, model: str, path: str) -> RerankRequest:
        return decode(body)

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> RerankAnswer:
        return ranked(body.get(self.listed), body)


def ranked(listed: Any, answer: Json) -> RerankAnswer:
    """A provider's answer, whose results are ``listed``. Raises Malformed."""
    found = []
    for item in map(mapping, items(listed)):
        index, score = item.get("index"), item.get("relevance_score")
        if type(index) is not int or type(score) not in (int, float):
            raise Malformed("A result holds no index and score.")
        found.append(Ranked(index, float(score or 0)))
    if not found:
        raise Malformed("The answer holds no results.")
    usage = mapping(answer.get("usage"))
    units = mapping(mapping(answer.get("meta")).get("billed_units"))
    tokens = usage.get("total_tokens", usage.get("prompt_tokens", units.get("input_tokens")))
    return RerankAnswer(
        found,
        text(answer.get("model")),
        text(answer.get("id")),
        whole(tokens) if tokens is not None else None,
        whole(units["search_units"]) if "search_units" in units else None,
    )


def results(answer: RerankAnswer, asked: RerankRequest, *, bare: bool = False) -> list[Json]:
    """The results for a caller, with the documents where he wants them. Raises Malformed."""
    if any(not 0 <= one.index < len(asked.documents) for one in answer.results):
        raise Malformed("A result names a document that was not sent.")
    return [
        {
            "index": one.index,
            "relevance_score": one.score,
            **({} if not asked.return_documents else {"document": _shown(asked.documents[one.index], bare)}),
        }
        for one in answer.results
    ]


def _shown(document: str, bare: bool) -> Any:
    return document if bare else {"text": document}
