"""Amazon Bedrock's Converse and ConverseStream: one form for the models of many vendors.

Model and stream stand in the path. Sources: the recorded exchanges; the service model of ``bedrock-runtime`` in
botocore 1.44; Amazon Bedrock API reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers import eventstream
from providers.dialects import base
from providers.dialects.bedrock import answers, faults, requests, streams, writer
from providers.neutral import Answer, Fault, Json, Losses, Request


class Bedrock(base.Dialect):
    name = "bedrock"
    stream_type = eventstream.CONTENT_TYPE

    def decode_request(self, body: Json, *, model: str = "", stream: bool = False) -> Request:
        return requests.decode(body, model, stream)

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
        return (f"{path}-stream" if path.endswith("/converse") else path), ""


DIALECT = Bedrock()
