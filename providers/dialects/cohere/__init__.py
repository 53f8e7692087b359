"""Cohere's chat of the second version (``/v2/chat``).

Sources: the recorded exchanges; the types of Cohere's Python SDK 7.3 and what their docstrings say.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base
from providers.dialects.cohere import answers, encoding, faults, requests, streams, writer
from providers.neutral import Answer, Fault, Json, Losses, Request


class Cohere(base.Dialect):
    name = "cohere"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        return encoding.encode(request, facts, losses)

    def decode_answer(self, body: Json) -> Answer:
        return answers.decode(body)

    def encode_answer(self, answer: Answer, request: Request) -> Json:
        return answers.encode(answer)

    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return faults.decode(status, headers, body)

    def encode_fault(self, fault: Fault) -> base.WireError:
        return faults.encode(fault)

    def stream_decoder(self) -> base.StreamDecoder:
        return streams.Decoder()

    def stream_encoder(self, request: Request) -> base.StreamEncoder:
        return writer.Encoder(request)


DIALECT = Cohere()
