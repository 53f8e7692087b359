"""Gemini's generateContent and streamGenerateContent, of Google AI Studio (v1, v1beta) and Vertex AI.

Sources: ai.google.dev/api/generate-content, the Vertex AI reference (GenerateContentResponse, thought signatures,
function calling), the types of google-genai 3.6 and the recorded exchanges of both hosts. The model and whether an
answer is streamed stand in the path.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects import base
from providers.dialects.gemini import answers, faults, requests, streams
from providers.neutral import Answer, Fault, Json, Losses, Request


class Gemini(base.Dialect):
    name = "gemini"

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body, model, stream)

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
        return streams.Encoder()

    def stream_path(self, path: str) -> tuple[str, str]:
        head, colon, method = path.rpartition(":")
        return (f"{head}:streamGenerateContent", "alt=sse") if colon and method == "generateContent" else (path, "")


DIALECT = Gemini()
