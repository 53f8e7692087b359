"""Gemini's ``:countTokens``; Vertex AI takes the members that Gemini wants inside ``generateContentRequest``.

Sources: the recorded exchanges; the converters of Google's Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import load
from providers.dialects.base import Facts
from providers.dialects.reading import an_object
from providers.forms.base import Form
from providers.forms.counting import Counted, Counting, counted, only
from providers.neutral import Json, Losses

WHOLE = "generateContentRequest"
COUNTS = frozenset(("contents", "systemInstruction", "tools", "toolConfig", "generationConfig"))
VERTEX = COUNTS - {"toolConfig"}


class Counter(Form[Counting, Counted]):
    def decode_request(self, body: Json, *, model: str, path: str) -> Counting:
        inner = body.get(WHOLE, body.get("generate_content_request"))
        said = body if inner is None else an_object(inner, WHOLE)
        said = {name: value for name, value in said.items() if name != "model"}
        return Counting(load("gemini").decode_request(said, model=model))

    def encode_request(self, asked: Counting, facts: Facts, losses: Losses) -> Json:
        body = load("gemini").encode_request(asked.request, facts, losses)
        if facts.vendor == "vertex":
            return only(body, VERTEX)
        return {WHOLE: {"model": f"models/{facts.model}", **only(body, COUNTS)}}

    def same(self, body: Json, path: str, target: str, model: str) -> tuple[Json | None, str]:
        """The request within names the model once more."""
        inner, name = body.get(WHOLE), f"models/{model}"
        if isinstance(inner, dict) and inner.get("model", name) != name:
            return {**body, WHOLE: {**inner, "model": name}}, target
        return None, target

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> Counted:
        return counted(body.get("totalTokens"))

    def encode_answer(self, answer: Counted, asked: Counting) -> Json:
        return {"totalTokens": answer.tokens}


FORM = Counter()
