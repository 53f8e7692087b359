"""Anthropic's Messages, and what those who speak it too (Bedrock, Vertex, DeepSeek, MiniMax ...) share with it.

Sources: the recorded exchanges; the types of Anthropic's Python SDK 2.14 and what their docstrings say.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base
from providers.dialects.anthropic import answers, faults, requests, streams, writer
from providers.neutral import Answer, Fault, Json, Losses, Request


class Anthropic(base.Dialect):
    name = "anthropic"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body, model=model, stream=stream)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        return requests.encode(request, facts, losses)

    def decode_answer(self, body: Json) -> Answer:
        return answers.decode(body)

    def encode_answer(self, answer: Answer, request: Request) -> Json:
        return answers.encode(answer, request)

    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return faults.decode(status, headers, body)

    def encode_fault(self, fault: Fault) -> base.WireError:
        return faults.encode(fault)

    def stream_decoder(self) -> base.StreamDecoder:
        return streams.Decoder()

    def stream_encoder(self, request: Request) -> base.StreamEncoder:
        return writer.Encoder(request)

    def stream_path(self, path: str) -> tuple[str, str]:
        # Vertex AI's form.
        head, colon, method = path.rpartition(":")
        return (f"{head}:streamRawPredict" if colon and method == "rawPredict" else path), ""


DIALECT = Anthropic()
