"""Bedrock's ``/model/MODEL/count-tokens``, of a Converse or of an invoke.

Sources: the recorded exchanges; the service model of ``bedrock-runtime`` in botocore 1.44.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import orjson

from providers.dialects import load
from providers.dialects.base import Facts
from providers.dialects.reading import a_text, an_object
from providers.forms.base import Form
from providers.forms.counting import Counted, Counting, counted, only
from providers.neutral import Json, Losses, Malformed

CONVERSE = "converse"
INVOKE = "invokeModel"
COUNTS = frozenset(("messages", "system", "toolConfig", "additionalModelRequestFields"))


class Counter(Form[Counting, Counted]):
    def decode_request(self, body: Json, *, model: str, path: str) -> Counting:
        said = an_object(body.get("input"), "input")
        if CONVERSE in said:
            inner = an_object(said[CONVERSE], f"input.{CONVERSE}")
            return Counting(load("bedrock").decode_request(inner, model=model))
        data = a_text(an_object(said.get(INVOKE), f"input.{INVOKE}").get("body"), f"input.{INVOKE}.body")
        try:
            inner = an_object(orjson.loads(base64.b64decode(data, validate=True)), f"input.{INVOKE}.body")
        except (binascii.Error, orjson.JSONDecodeError, ValueError):
            raise Malformed("The body of the invoke is no JSON in base64.", f"input.{INVOKE}.body") from None
        return Counting(load("bedrock_invoke").decode_request(inner, model=model))

    def encode_request(self, asked: Counting, facts: Facts, losses: Losses) -> Json:
        body = load("bedrock").encode_request(asked.request, facts, losses)
        return {"input": {CONVERSE: only(body, COUNTS)}}

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> Counted:
        return counted(body.get("inputTokens"))

    def encode_answer(self, answer: Counted, asked: Counting) -> Json:
        return {"inputTokens": answer.tokens}


FORM = Counter()
