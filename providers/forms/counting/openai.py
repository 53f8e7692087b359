"""OpenAI's ``/responses/input_tokens``.

Source: ``InputTokenCountParams`` and ``InputTokenCountResponse`` of OpenAI's Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import load
from providers.dialects.base import Facts
from providers.forms.base import Form
from providers.forms.counting import Counted, Counting, counted, only
from providers.neutral import Json, Losses

COUNTS = frozenset(
    (
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text",
        "truncation", "previous_response_id", "conversation",
    )
)  # fmt: skip


class Counter(Form[Counting, Counted]):
    def decode_request(self, body: Json, *, model: str, path: str) -> Counting:
        return Counting(load("openai_responses").decode_request(body, model=model))

    def encode_request(self, asked: Counting, facts: Facts, losses: Losses) -> Json:
        return only(load("openai_responses").encode_request(asked.request, facts, losses), COUNTS)

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> Counted:
        return counted(body.get("input_tokens"))

    def encode_answer(self, answer: Counted, asked: Counting) -> Json:
        return {"object": "response.input_tokens", "input_tokens": answer.tokens}


FORM = Counter()
