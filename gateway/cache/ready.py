"""An answer out of the cache, ready to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cache.entry import Kept, unpack
from gateway.server.response import status_line

if TYPE_CHECKING:
    from gateway.principal import Principal
    from gateway.server.routes import RouteEntry
    from gateway.serving import View

LINE = b"\r\n"
OK_LINE = status_line(200)


class Ready:
    """An answer out of the cache, with the part of its head that is the same for everybody."""

    def __init__(self, kept: Kept) -> None:
        self.dialect = kept.dialect
        self.operation = kept.operation
        self.streamed = kept.streamed
        self.form = kept.form
        self.created_ns = kept.created_ns
        self.cost_nanodollars = kept.cost_nanodollars
        self.took_us = kept.took_us
        self.prompt = kept.prompt
        self.completion = kept.completion
        self.content_type = kept.content_type
        self.labels = kept.labels
        self.body = kept.body
        self.head = head_for(kept.content_type, kept.labels, len(kept.body))

    def kept(self) -> Kept:
        return Kept(
            self.dialect,
            self.operation,
            self.streamed,
            self.created_ns,
            self.cost_nanodollars,
            self.took_us,
            self.prompt,
            self.completion,
            self.content_type,
            self.labels,
            self.body,
            self.form,
        )


class Again:
    """A request that was answered with what is kept, by which the same bytes are known."""

    def __init__(self, principal: Principal, route: RouteEntry | None, view: View, found: Ready) -> None:
        self.principal = principal
        self.route = route
        self.view = view
        self.found = found


def ready(data: bytes) -> Ready | None:
    """None for what is not to be read."""
    kept = unpack(data)
    return None if kept is None else Ready(kept)


def head_for(content_type: bytes, labels: bytes, length: int) -> bytes:
    return b"".join((OK_LINE, b"content-type: ", content_type, LINE, labels, b"content-length: %d\r\n" % length))
