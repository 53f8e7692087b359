"""Ollama's own chat (``/api/chat``), whose answers are streamed unless the body says no.

Sources: the one recorded exchange; Ollama's API documentation and the types of its Go client (``ChatRequest``,
``Message``, ``ChatResponse``).
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base
from providers.dialects.ollama import answers, faults, requests, streams
from providers.neutral import Answer, Fault, Json, Losses, Request


class Ollama(base.Dialect):
    name = "ollama"
    stream_type = "application/x-ndjson"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        return requests.encode(request, facts, losses)

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
        return streams.Encoder(request)


DIALECT = Ollama()
