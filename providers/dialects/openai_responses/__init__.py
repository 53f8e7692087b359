"""OpenAI's Responses.

Sources: OpenAI's API reference (responses, its streaming events), the types of openai-python, the recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base, openai_faults
from providers.dialects.openai_responses import answers, encoder, requests, streams
from providers.neutral import Answer, Fault, Json, Losses, Request


class OpenAIResponses(base.Dialect):
    name = "openai_responses"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        return requests.encode(request, facts, losses)

    def decode_answer(self, body: Json) -> Answer:
        return answers.decode(body)

    def encode_answer(self, answer: Answer, request: Request) -> Json:
        return answers.encode(answer, request)

    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return openai_faults.decode(status, headers, body)

    def encode_fault(self, fault: Fault) -> base.WireError:
        return openai_faults.encode(fault)

    def stream_decoder(self) -> base.StreamDecoder:
        return streams.Decoder()

    def stream_encoder(self, request: Request) -> base.StreamEncoder:
        return encoder.Encoder(request)


DIALECT = OpenAIResponses()
