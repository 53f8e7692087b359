"""Requests for completions."""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.dialects.reading import a_number, a_text, mapping, rest, text
from providers.neutral import Json, Losses, Malformed, Message, Request, Text, ToolCall, ToolResult, Unsupported

ORIGIN = "openai_completions"
_KNOWN = frozenset(
    (
        "model", "prompt", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "stop", "seed",
        "frequency_penalty", "presence_penalty", "logit_bias", "user", "logprobs",
    )
)  # fmt: skip


_NUMBERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "n": "count",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
"""Member of the body -> of ``Sampling``."""


def decode(body: Json) -> Request:
    """Raises Malformed. Several prompts in one request, and prompts of token numbers, have no counterpart elsewhere."""
    request = Request(ORIGIN, text(body.get("model")))
    prompt = body.get("prompt", "")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        request.messages.append(Message("user", [Text(prompt)], True))
    elif not isinstance(prompt, list):
        raise Malformed("'prompt' is neither a text nor a list.", "prompt")
    sampling = request.sampling
    for name, member in _NUMBERS.items():
        setattr(sampling, member, a_number(body.get(name), name))
    sampling.logit_bias = body.get("logit_bias")
    stop = body.get("stop")
    if isinstance(stop, str):
        sampling.stop = [stop]
    elif isinstance(stop, list):
        sampling.stop = [a_text(one, "stop") for one in stop]
    if isinstance(body.get("logprobs"), int):
        sampling.logprobs, sampling.top_logprobs = True, body["logprobs"]
    limit = body.get("max_tokens")
    request.max_tokens = limit if isinstance(limit, int) else None
    request.user = text(body.get("user"))
    request.stream = body.get("stream") is True
    request.include_usage = mapping(body.get("stream_options")).get("include_usage") is True
    request.shape = {name: value for name, value in body.items() if name in _KNOWN and name != "model"}
    request.extra = rest(body, _KNOWN)
    return request


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """A conversation as one prompt, its turns named. Raises Unsupported when tools take part in it."""
    if request.origin == ORIGIN:
        return {"model": facts.model} | (request.shape or {}) | (request.extra or {})
    turns = []
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall | ToolResult):
                raise Unsupported("messages.tool_calls")
            if not isinstance(part, Text):
                losses.lose("messages.parts")
        said = "".join(part.text for part in message.parts if isinstance(part, Text))
        turns.append((message.role, said))
    if request.tools:
        losses.lose("tools")
    if len(turns) == 1:
        prompt = turns[0][1]
    else:
        prompt = "".join(f"{role.capitalize()}: {said}\n\n" for role, said in turns) + "Assistant:"
    body: Json = {"model": facts.model, "prompt": prompt}
    sampling = request.sampling
    for name, value in (
        ("max_tokens", request.max_tokens), ("temperature", sampling.temperature), ("top_p", sampling.top_p),
        ("n", sampling.count), ("seed", sampling.seed), ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty), ("logit_bias", sampling.logit_bias),
        ("stop", sampling.stop or None), ("user", request.user or None), ("logprobs", sampling.top_logprobs),
        ("stream", True if request.stream else None),
        ("stream_options", {"include_usage": True} if request.stream and facts.ask_usage else None),
    ):  # fmt: skip
        if value is not None:
            body[name] = value
    if request.format is not None and request.format.kind != "text":
        losses.lose("response_format")
    if request.thinking is not None:
        losses.lose("reasoning")
    losses.leave(request.extra, body)
    return body
