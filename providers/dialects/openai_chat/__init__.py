"""OpenAI's chat completions, and what the many who speak it add.

Sources: OpenAI's API reference (chat), the recorded answers of its followers. Followers' own members that several of
them share have their place here: ``reasoning_content`` (DeepSeek), ``reasoning`` (OpenRouter, Groq), ``cache_control``
(OpenRouter), thoughts as content parts (Mistral).
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base, openai_faults
from providers.dialects.openai_chat import answers, encoding, requests, streams
from providers.neutral import Answer, Fault, Json, Losses, Request


class OpenAIChat(base.Dialect):
    name = "openai_chat"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        return encoding.encode(request, facts, losses)

    def decode_answer(self, body: Json) -> Answer:
        return answers.decode(body)

    def encode_answer(self, answer: Answer, request: Request) -> Json:
        return answers.encode(answer)

    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return openai_faults.decode(status, headers, body)

    def encode_fault(self, fault: Fault) -> base.WireError:
        return openai_faults.encode(fault)

    def stream_decoder(self) -> base.StreamDecoder:
        return streams.Decoder()

    def stream_encoder(self, request: Request) -> base.StreamEncoder:
        return streams.Encoder(request)


DIALECT = OpenAIChat()
