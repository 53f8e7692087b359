"""Streams through decoders and encoders, and broken values, for tests of any dialect."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from gateway.translation import events_of
from providers.dialects.base import Dialect
from providers.neutral import Answer, Collector, Done, Event, Fault, Request


def read(dialect: Dialect, data: bytes, size: int = 0) -> list[Event]:
    """The events of a stream, in pieces of ``size`` bytes; 0: at once."""
    decoder = dialect.stream_decoder()
    out: list[Event] = []
    for at in range(0, len(data), size or len(data) or 1):
        out += decoder.feed(data[at : at + (size or len(data))])
    return out + decoder.end()


def collect(events: list[Event], origin: str) -> Collector:
    collector = Collector(origin)
    for one in events:
        collector.add(one)
    return collector


def write(dialect: Dialect, events: list[Event], request: Request | None = None) -> bytes:
    encoder = dialect.stream_encoder(request or Request(dialect.name, include_usage=True))
    return b"".join(encoder.encode(one) for one in events)


def streamed(dialect: Dialect, answer: Answer) -> Collector:
    """An answer that was written as a stream and read again."""
    return collect(read(dialect, write(dialect, list(events_of(answer)))), dialect.name)


def ends_once(events: list[Event]) -> bool:
    """Whether nothing follows ``Done`` and ``Fault``."""
    over = [at for at, one in enumerate(events) if isinstance(one, Done | Fault)]
    return over in ([], [len(events) - 1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "text", "auto", "user", "tool"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += _places(inner, (*path, key))
    return found


@st.composite
def broken(draw: st.DrawFn, values: list[Any]) -> Any:
    """One of ``values`` with members left out or replaced."""
    value = copy.deepcopy(draw(st.sampled_from(values)))
    for _ in range(draw(st.integers(1, 3))):
        known = _places(value)
        if not known:
            break
        *path, last = draw(st.sampled_from(known))
        inner = value
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict) and draw(st.booleans()):
            del inner[last]
        else:
            inner[last] = draw(JSON)
    return value
