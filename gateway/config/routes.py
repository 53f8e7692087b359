"""The section ``routes``: names of models, and what stands behind them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.names import HeaderName, ModelName, Name
from gateway.config.units import Duration


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class TargetEntry(Entry, frozen=True):
    """A model at a provider."""

    provider: Name
    model: ModelName
    weight: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    when: Annotated[
        str, Meta(max_length=4096, description="Condition without which it is passed over: conditions.md.")
    ] = ""


class HedgeEntry(Entry, frozen=True):
    """A second attempt beside the first, when its first byte takes long; the one that is answered first counts."""

    after: Annotated[
        Duration | None, Meta(description="How long to wait first; without it, as long as 97 % of first bytes take.")
    ] = None
    share: Annotated[float, Meta(gt=0, le=1, description="Of the requests that are asked twice, at most.")] = 0.05


class ShadowEntry(Entry, frozen=True):
    """A model that gets copies of a route's requests; what it answers is recorded and shown to nobody."""

    provider: Name
    model: ModelName
    share: Annotated[float, Meta(gt=0, le=1, description="Of the requests that are copied.")]


class RouteEntry(Entry, frozen=True):
    """A model name of your own, and what stands behind it."""

    targets: Annotated[
        list[str | TargetEntry], Meta(min_length=1, description='"provider/model", or provider, model and weight.')
    ]
    fallbacks: Annotated[list[str | TargetEntry], Meta(description="Tried in order when the targets failed.")] = []
    strategy: Annotated[
        Literal["weighted", "order", "least-latency", "least-cost", "least-busy", "hash"],
        Meta(description="Which of the targets is asked first: routing.md."),
    ] = "weighted"
    hash_on: Annotated[
        HeaderName | None,
        Meta(description="hash only: header field whose equal values go to one target; else the session or key."),
    ] = None
    hedge: Annotated[
        HedgeEntry | None, Meta(description="Ask twice when it takes long; costs up to share more: routing.md.")
    ] = None
    shadow: Annotated[
        list[ShadowEntry], Meta(description="Models that are sent a share of the requests as well: routing.md.")
    ] = []
    continue_on_cut: Annotated[
        bool, Meta(description="A stream of text that breaks off goes on with another attempt: streams.md.")
    ] = False
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""
