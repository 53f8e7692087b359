"""What a dry run is asked and what it tells; the words for reasons are those of docs/receipt.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

QuestionedOperation = Literal[
    "chat", "messages", "responses", "completions", "embeddings", "moderations", "speech", "image_generation", "rerank",
    "ocr",
]  # fmt: skip
"""``messages``: a chat as Anthropic's SDKs ask for one."""
FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]


class RouteQuestion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request, as far as its way depends on it."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    virtual_key: Annotated[
        Annotated[str, Meta(max_length=256)] | None,
        Meta(description="Id of the one that asks. Null: somebody who may use everything."),
    ] = None
    operation: QuestionedOperation = "chat"
    path: Annotated[
        Annotated[str, Meta(pattern=r"^/[!-~]{0,1023}$")] | None,
        Meta(description="Where it is sent, instead of the operation's path."),
    ] = None
    stream: bool = False
    max_tokens: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    body: Annotated[dict[str, Any] | None, Meta(description="Its body; the model in it is the one above.")] = None
    headers: Annotated[dict[FieldName, Annotated[str, Meta(max_length=2048)]], Meta(max_length=50)] = {}
    route: Annotated[
        dict[str, Any] | None,
        Meta(description="A route that is not stored yet, in the place of one of the model's name."),
    ] = None


class ConditionTold(msgspec.Struct):
    uses: list[str]
    holds: bool
    why: str


class HealthTold(msgspec.Struct):
    state: Literal["well", "out", "due"]
    failures: int
    ejections: int
    out_for_s: float
    left_out_share: float
    under_way: int
    ttft_ms: float


class KeysTold(msgspec.Struct):
    allowed: int
    usable: int
    ready_in_s: float | None


class LimitNeed(msgspec.Struct):
    """A limit or budget that the request is held to; money in dollars, as text."""

    level: str
    name: str | None
    counts: str
    window: str | None
    kind: str | None
    limit: int | str
    spent: int | str
    reserved: int | str
    remaining: int | str
    reset_seconds: int | None
    needs: int | str
    """What the request is foreseen to take."""
    refuses: bool


class TargetExplanation(msgspec.Struct, kw_only=True):
    """One target."""

    order: int | None
    """1: asked first, 2: when that fails, ...; null: passed over."""
    index: int
    target: str
    fallback: bool
    weight: float
    passed: str | None
    """Why it is passed over."""
    condition: ConditionTold | None
    health: HealthTold
    keys: KeysTold
    price_known: bool
    price_source: str
    cost_nanodollars: int | None
    """What the request is foreseen to cost there; null: no price is known."""
    limits: list[LimitNeed]
    """Those of the virtual key at this provider."""


class Refusal(msgspec.Struct):
    """What the caller would be answered instead."""

    status: int
    code: str
    message: str


class RouteExplanation(msgspec.Struct, kw_only=True):
    model: str
    operation: str
    route: str | None
    """Null: the name leads to one provider."""
    strategy: str | None
    drawn: bool
    """Lots were drawn: the next request may go another way."""
    because: str | None
    """Why the first one is asked."""
    targets: list[TargetExplanation]
    refusal: Refusal | None
    limits: list[LimitNeed]
    """Of the virtual key, its team and its customer."""
    prompt_tokens: int
    """Foreseen, like the next."""
    completion_tokens: int
