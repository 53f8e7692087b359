"""Anthropic's ``/v1/messages/count_tokens``.

Sources: the recorded exchanges; ``MessageCountTokensParams`` of Anthropic's Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import load
from providers.dialects.base import Facts
from providers.forms.base import Form
from providers.forms.counting import Counted, Counting, counted, only
from providers.neutral import Json, Losses

COUNTS = frozenset(
    ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format", "mcp_servers")
)


class Counter(Form[Counting, Counted]):
    def decode_request(self, body: Json, *, model: str, path: str) -> Counting:
        return Counting(load("anthropic").decode_request({"max_tokens": 1, **body}, model=model))

    def encode_request(self, asked: Counting, facts: Facts, losses: Losses) -> Json:
        return only(load("anthropic").encode_request(asked.request, facts, losses), COUNTS)

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> Counted:
        return counted(body.get("input_tokens"))

    def encode_answer(self, answer: Counted, asked: Counting) -> Json:
        return {"input_tokens": answer.tokens}


FORM = Counter()
