"""Cache breakpoints for callers that set none: where a prompt is marked as worth keeping by the provider.

Claude's models cache a prompt only where it is marked; callers of OpenAI's dialects, where prompts are cached unasked,
mark nothing. Marked is what stays while a conversation goes on: the end of the tools, the end of the system prompt, and
the end of the user's turn before the last. So a turn reads what the one before it wrote, and of a single question only
tools and system prompt are written to the cache, which costs a quarter more than reading them anew. These are three of
the four marks that Anthropic takes. A prompt below a model's minimum (512 to 4,096 tokens) is answered as if it bore no
mark: no error, and nothing counted as written to the cache.

Sources: Anthropic's API reference (Messages, ``cache_control``), its page on prompt caching ("Cache limitations") and
its SDK's types; Amazon Bedrock's user guide ("Prompt caching for faster model inference": models that take checkpoints,
and that inference succeeds below the minimum).
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from providers.dialects.anthropic.models import version
from providers.neutral import CacheMark, Media, Message, Part, Request, Text, Tool, ToolResult

MINIMUM_BYTES = 2048
"""A body below it is too short for nearly every model, and is left as it is."""

MEMBER = b'"cache_control":{"type":"ephemeral"}'
"""In a body of Anthropic's: mark the last block that can be cached (the SDK's ``MessageCreateParams``)."""

_SAID = (b'"cache_control"', b'"cachePoint"')


def _escaped(letters: bytes) -> bytes:
    """Pattern of a part of a name each letter of which may be written as JSON's escape."""
    return b"".join(b"(?:%b|\\\\u00(?i:%02x))" % (bytes([letter]), letter) for letter in letters)


_SAID_ESCAPED = re.compile(b'"%b(?:%b|%b)"' % (_escaped(b"cache"), _escaped(b"_control"), _escaped(b"Point")))
_LETTER_ESCAPED = re.compile(rb"\\u00[567]")
"""No serializer writes letters so; looking for it costs next to nothing."""
_BEDROCK_SINCE = (3, 7)
"""Claude on Bedrock; of the generation before, Haiku alone."""


def says_marks(body: bytes) -> bool:
    """Whether the caller says itself what is to be cached. Quotes within texts are escaped, so that a text about it
    does not count."""
    if any(member in body for member in _SAID):
        return True
    return _LETTER_ESCAPED.search(body) is not None and _SAID_ESCAPED.search(body) is not None


def takes_marks(dialect: str, model: str) -> bool:
    """Whether a target of this dialect is marked for."""
    if dialect == "anthropic":
        return True
    return dialect == "bedrock" and (version(model) >= _BEDROCK_SINCE or "claude-3-5-haiku" in model)


def placed(request: Request, body: bytes, dialect: str, model: str) -> Request:
    """``request`` as it is to be written for this target; ``body`` is what the caller sent."""
    if len(body) < MINIMUM_BYTES or says_marks(body) or not takes_marks(dialect, model):
        return request
    return marked(request)


def marked(request: Request) -> Request:
    """A copy with marks; ``request`` itself, unchanged, where it has marks or there is nothing to mark."""
    if any(tool.cache is not None for tool in request.tools) or any(
        _has_mark(part) for message in request.messages for part in message.parts
    ):
        return request
    messages = list(request.messages)
    places = [_last(messages, _system(messages)), _last(messages, _turn_before_last(messages))]
    for place in places:
        if place is not None:
            at, part = place
            parts = list(messages[at].parts)
            parts[part] = replace(parts[part], cache=CacheMark())
            messages[at] = replace(messages[at], parts=parts)
    tools = _tools(request)
    if tools is None and not any(places):
        return request
    return replace(request, messages=messages, tools=request.tools if tools is None else tools)


def spliced(body: bytes) -> bytes:
    """A body of Anthropic's with the member that marks its last block; ``body`` itself, every byte, where it says what
    is to be cached, is too short, or is no object."""
    if len(body) < MINIMUM_BYTES or says_marks(body):
        return body
    end = len(body.rstrip(b" \t\r\n")) - 1
    if body[end : end + 1] != b"}" or body[:end].rstrip(b" \t\r\n").endswith(b"{"):
        return body
    return b"".join((body[:end], b",", MEMBER, body[end:]))


def _has_mark(part: Part) -> bool:
    if isinstance(part, ToolResult) and any(_has_mark(inner) for inner in part.parts):
        return True
    return getattr(part, "cache", None) is not None


def _can_be_marked(part: Part) -> bool:
    """Blank texts cannot, thoughts cannot, and what a target cannot be told bears its mark away."""
    if isinstance(part, Text):
        return bool(part.text) and not part.text.isspace()
    return isinstance(part, ToolResult) or (isinstance(part, Media) and part.kind in ("image", "file"))


def _last(messages: list[Message], among: list[int]) -> tuple[int, int] | None:
    """Message and part that a mark at the end of these messages stands on."""
    for at in reversed(among):
        for part in range(len(messages[at].parts) - 1, -1, -1):
            if _can_be_marked(messages[at].parts[part]):
                return at, part
    return None


def _system(messages: list[Message]) -> list[int]:
    return [at for at, message in enumerate(messages) if message.role in ("system", "developer")]


def _turn_before_last(messages: list[Message]) -> list[int]:
    """The messages of the user's turn before the last, results of tools included."""
    turns: list[list[int]] = []
    answered = True
    for at, message in enumerate(messages):
        if message.role in ("user", "tool"):
            if answered:
                turns.append([])
            turns[-1].append(at)
            answered = False
        elif message.role == "assistant":
            answered = True
    return turns[-2] if len(turns) > 1 else []


def _tools(request: Request) -> list[Tool] | None:
    """The tools, of which the last that is written bears a mark; None: there is none."""
    choice = request.tool_choice
    allowed = choice.names if choice is not None and choice.mode in ("auto", "required") else []
    tools = list(request.tools)
    for at in range(len(tools) - 1, -1, -1):
        tool = tools[at]
        if tool.own is None and not tool.custom and (not allowed or tool.name in allowed):
            tools[at] = replace(tool, cache=CacheMark())
            return tools
    return None
