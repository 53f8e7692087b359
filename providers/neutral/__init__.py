"""The one form between all dialects: requests, answers, events of a stream, faults.

A dialect's module (``providers/dialects/``) decodes its wire format into these values and encodes these values into
it, so N dialects translate into each other with 2 N modules. What the form has no place for stays in ``extra`` (members
of the object at hand, as they came) or in ``Opaque`` (a whole part), and is written back only where both sides speak
the same dialect; elsewhere ``Losses`` is told its name, so that nothing is lost in silence. ``shape`` is a dialect's
own note of which of several ways of saying the same it found (null or absent, string or list); nobody else reads it.

Conventions. Texts are ``str``, JSON values are what ``orjson.loads`` gives. Binary contents are base64 text, as all
wire formats carry them. Tool arguments are JSON *text*: models write them, and may write them wrong. ``None`` and the
empty string mean "not said". Tokens: ``input_tokens`` holds cached and cache-written ones, ``output_tokens`` holds
reasoning.
"""

from __future__ import annotations

from providers.neutral.answers import Answer, Choice, Finish, Usage
from providers.neutral.collector import Collector
from providers.neutral.events import (
    STATUS,
    Done,
    Ended,
    Event,
    Fault,
    FaultKind,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    Start,
)
from providers.neutral.losses import Json, Losses, Malformed, Policy, Unsupported
from providers.neutral.messages import (
    CacheMark,
    Citation,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    merged,
)
from providers.neutral.requests import (
    BUDGETS,
    Format,
    Request,
    Sampling,
    Thinking,
    Tool,
    ToolChoice,
    budget_of,
    effort_of,
)

__all__ = [
    "BUDGETS",
    "STATUS",
    "Answer",
    "CacheMark",
    "Choice",
    "Citation",
    "Collector",
    "Done",
    "Ended",
    "Event",
    "Fault",
    "FaultKind",
    "Finish",
    "Format",
    "Json",
    "Losses",
    "Malformed",
    "Media",
    "Message",
    "Opaque",
    "Part",
    "PartDelta",
    "PartEnd",
    "PartStart",
    "Ping",
    "Policy",
    "Reasoning",
    "Refusal",
    "Request",
    "Role",
    "Sampling",
    "Start",
    "Text",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Unsupported",
    "Usage",
    "budget_of",
    "effort_of",
    "merged",
]
