"""Bedrock's InvokeModel: the body is each model family's own, a stream carries its pieces as base64 in frames.

To Bedrock the bytes pass as they are and are only listened to. To a provider of another dialect go the families that
``choosing`` names. Sources: the recorded exchanges; Amazon Bedrock user guide, "Inference request
parameters and response fields for foundation models"; the service model of ``bedrock-runtime`` in botocore 1.44.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers import eventstream
from providers.dialects import base
from providers.dialects.bedrock import faults
from providers.dialects.bedrock_invoke import choosing, form, listening
from providers.neutral import Answer, Fault, Json, Losses, Request, Unsupported


class BedrockInvoke(base.Dialect):
    name = "bedrock_invoke"
    stream_type = eventstream.CONTENT_TYPE

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return choosing.of_body(body, model).decode(body, model, stream)

    def encode_request(self, request: Request, facts: base.Facts, losses: Losses) -> Json:
        """Nobody is asked in it who was not asked in it by the caller: Bedrock has Converse for everything else."""
        raise Unsupported("invoke")

    def decode_answer(self, body: Json) -> Answer:
        return listening.answer(body)

    def encode_answer(self, answer: Answer, request: Request) -> Json:
        return choosing.of_request(request).answer(answer, request)

    def decode_fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return faults.decode(status, headers, body)

    def encode_fault(self, fault: Fault) -> base.WireError:
        return faults.encode(fault)

    def stream_decoder(self) -> base.StreamDecoder:
        return listening.Decoder()

    def stream_encoder(self, request: Request) -> base.StreamEncoder:
        return form.Encoder(choosing.of_request(request), request)

    def stream_path(self, path: str) -> tuple[str, str]:
        return (f"{path}-with-response-stream" if path.endswith("/invoke") else path), ""


DIALECT = BedrockInvoke()
