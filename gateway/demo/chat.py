"""``/chat/completions`` and ``/completions`` of the demo upstream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from gateway.demo import stream, wording
from gateway.demo.connection import Reply
from gateway.demo.scenario import MAX_CHOICES, Scenario

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one choice says: text, or one tool call."""

    text: str
    finish: str
    tool: str = ""
    arguments: str = ""
    call_id: str = ""


def _tool_wanted(body: Body, messages: list[object]) -> tuple[str, object] | None:
    """(name, parameters schema) of the function to call: the one that was forced, else the first, else None."""
    tools = body.get("tools")
    choice = body.get("tool_choice")
    last = messages[-1] if messages else None
    if not isinstance(tools, list) or choice == "none":
        return None
    if isinstance(last, dict) and last.get("role") == "tool" and not isinstance(choice, dict):
        return None
    forced = choice.get("function") if isinstance(choice, dict) else None
    wanted = forced.get("name") if isinstance(forced, dict) else None
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and wanted in (None, function.get("name")):
            return str(function.get("name", "")), function.get("parameters")
    return None


def _turn(body: Body, messages: list[object], scenario: Scenario, seed: bytes) -> _Turn:
    wanted = _tool_wanted(body, messages)
    if wanted is not None:
        arguments = orjson.dumps(wording.fitting(wanted[1]) or {}).decode()
        return _Turn("", "tool_calls", wanted[0], arguments, wording.identifier("call_", seed))
    prompt = wording.last_text(messages) or wording.last_text(messages, "system")
    result = wording.last_text(messages, "tool")
    text = wording.json_answer(body.get("response_format"), prompt)
    if text is None:
        text = f"The tool said: {result}" if result else wording.answer_to(prompt, scenario)
    text, cut = wording.shorten(text, body.get("max_completion_tokens") or body.get("max_tokens"))
    return _Turn(text, "length" if cut else "stop")


def _usage(messages: list[object], turns: list[_Turn], scenario: Scenario) -> dict[str, object]:
    prompt = sum(wording.tokens(wording.plain_text(m.get("content"))) + 3 for m in messages if isinstance(m, dict))
    completion = sum(wording.tokens(turn.text or turn.arguments) for turn in turns) + scenario.thinking
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": scenario.thinking, "audio_tokens": 0},
    }


def _call(turn: _Turn) -> dict[str, object]:
    function = {"name": turn.tool, "arguments": turn.arguments}
    return {"id": turn.call_id, "type": "function", "function": function}


def _message(turn: _Turn, scenario: Scenario) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": turn.text, "refusal": None, "annotations": []}
    if turn.tool:
        message |= {"content": None, "tool_calls": [_call(turn)]}
    if scenario.thinking:
        message["reasoning_content"] = " ".join(["hm"] * scenario.thinking)
    return message


def _deltas(turn: _Turn, scenario: Scenario) -> Iterator[dict[str, object]]:
    yield {"role": "assistant", "content": None if turn.tool else "", "refusal": None}
    for _ in range(scenario.thinking):
        yield {"reasoning_content": "hm "}
    if not turn.tool:
        for piece in wording.pieces(turn.text):
            yield {"content": piece}
        return
    yield {"tool_calls": [{"index": 0, **_call(turn), "function": {"name": turn.tool, "arguments": ""}}]}
    for start in range(0, len(turn.arguments), 8):
        part = turn.arguments[start : start + 8]
        yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}


async def complete(body: Body, scenario: Scenario, reply: Reply) -> None:
    """Answer a chat request: text, JSON, or a call of the first tool until a tool's result is in the messages."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        await reply.error(400, "invalid_request_error", "'messages' must be a list with at least one message.")
        return
    asked = body.get("n")
    choices = min(asked, MAX_CHOICES) if isinstance(asked, int) and asked > 0 else 1
    seed = orjson.dumps(messages)
    turns = [_turn(body, messages, scenario, seed + bytes([i])) for i in range(choices)]
    usage = _usage(messages, turns, scenario)
    head: dict[str, object] = {
        "id": wording.identifier("chatcmpl-", seed),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model"),
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }
    if body.get("stream") is not True:
        answers = [
            {"index": i, "message": _message(turn, scenario), "logprobs": None, "finish_reason": turn.finish}
            for i, turn in enumerate(turns)
        ]
        await reply.json(200, {**head, "choices": answers, "usage": usage})
        return
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    head["object"] = "chat.completion.chunk"
    await stream.send(reply, scenario, _chunks(head, turns, scenario, usage if with_usage else None))


def _chunks(
    head: dict[str, object], turns: list[_Turn], scenario: Scenario, usage: dict[str, object] | None
) -> Iterator[tuple[str, object]]:
    # With usage asked for, every chunk carries the member, null until the last one: as OpenAI sends it.
    extra: dict[str, object] = {} if usage is None else {"usage": None}
    for i, turn in enumerate(turns):
        for delta in _deltas(turn, scenario):
            choice = {"index": i, "delta": delta, "logprobs": None, "finish_reason": None}
            yield "", {**head, "choices": [choice], **extra}
        choice = {"index": i, "delta": {}, "logprobs": None, "finish_reason": turn.finish}
        yield "", {**head, "choices": [choice], **extra}
    if usage is not None:
        yield "", {**head, "choices": [], "usage": usage}


async def complete_text(body: Body, scenario: Scenario, reply: Reply) -> None:
    """Answer a legacy text completion, plain or streamed."""
    prompts = body.get("prompt")
    prompt = (
        prompts
        if isinstance(prompts, str)
        else " ".join(p for p in prompts or () if isinstance(p, str))
        if isinstance(prompts, list)
        else ""
    )
    text, cut = wording.shorten(wording.answer_to(prompt, scenario), body.get("max_tokens"))
    finish = "length" if cut else "stop"
    asked, given = wording.tokens(prompt), wording.tokens(text)
    usage = {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}
    head: dict[str, object] = {
        "id": wording.identifier("cmpl-", prompt.encode()),
        "object": "text_completion",
        "created": int(time.time()),
        "model": body.get("model"),
    }

    def choice(part: str, reason: str | None) -> dict[str, object]:
        return {"index": 0, "text": part, "logprobs": None, "finish_reason": reason}

    if body.get("stream") is not True:
        await reply.json(200, {**head, "choices": [choice(text, finish)], "usage": usage})
        return
    options = body.get("stream_options")
    events: list[tuple[str, object]] = [("", {**head, "choices": [choice(p, None)]}) for p in wording.pieces(text)]
    events.append(("", {**head, "choices": [choice("", finish)]}))
    if isinstance(options, dict) and options.get("include_usage") is True:
        events.append(("", {**head, "choices": [], "usage": usage}))
    await stream.send(reply, scenario, events)
