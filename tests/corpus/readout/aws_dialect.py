"""Bedrock's Converse, by botocore's parsers and its reader of event streams (which checks every CRC)."""

from __future__ import annotations

import functools
from typing import Any

import botocore.session
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser, RestJSONParser

from tests.corpus.readout import Reader, Said, arguments, counted, settled

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "filter",
    "content_filtered": "filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}


@functools.cache
def model() -> Any:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def _usage(usage: dict[str, Any]) -> dict[str, int]:
    read = usage.get("cacheReadInputTokens", usage.get("cacheReadInputTokenCount", 0)) or 0
    made = usage.get("cacheWriteInputTokens", usage.get("cacheWriteInputTokenCount", 0)) or 0
    return counted(usage.get("inputTokens", 0) + read + made, usage.get("outputTokens"), read)


def whole(data: bytes, strict: bool) -> Said:
    shape = model().operation_model("Converse").output_shape
    value = RestJSONParser().parse({"body": data, "headers": {}, "status_code": 200}, shape)
    said = Said(finish=FINISH.get(value["stopReason"], "other"))
    for block in value["output"]["message"]["content"]:
        if "text" in block:
            said.text += block["text"]
        elif "citationsContent" in block:
            said.text += "".join(part.get("text", "") for part in block["citationsContent"].get("content", ()))
        elif "reasoningContent" in block:
            said.reasoning += block["reasoningContent"].get("reasoningText", {}).get("text", "")
        elif "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
            call = block["toolUse"]
            said.calls.append((call["toolUseId"], call["name"], call["input"]))
    said.usage = _usage(value.get("usage", {}))
    return settled(said)


def stream(data: bytes, strict: bool) -> Said:
    shape = model().operation_model("ConverseStream").output_shape.members["stream"]
    parser, buffer = EventStreamJSONParser(), EventStreamBuffer()
    buffer.add_data(data)
    said = Said()
    calls: dict[int, list[str]] = {}
    for message in buffer:
        response = message.to_response_dict()
        assert response["status_code"] == 200, response
        ((kind, value),) = parser.parse(response, shape).items()
        if kind == "contentBlockStart" and "toolUse" in value["start"]:
            start = value["start"]["toolUse"]
            if start.get("type") != "server_tool_use":
                calls[value["contentBlockIndex"]] = [start["toolUseId"], start["name"], ""]
        elif kind == "contentBlockDelta":
            delta = value["delta"]
            said.text += delta.get("text", "")
            said.reasoning += delta.get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta and value["contentBlockIndex"] in calls:
                calls[value["contentBlockIndex"]][2] += delta["toolUse"]["input"]
        elif kind == "messageStop":
            said.finish = FINISH.get(value["stopReason"], "other")
        elif kind == "metadata":
            said.usage = _usage(value["usage"])
    said.calls = [(identity, name, arguments(text)) for identity, name, text in calls.values()]
    return settled(said)


def valid(body: dict[str, Any]) -> None:
    """Whether botocore would send ``body``. Raises ValueError."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate({"modelId": "m", **body}, model().operation_model("Converse").input_shape)
    if report.has_errors():
        raise ValueError(report.generate_report())


READER = Reader(whole, stream)
