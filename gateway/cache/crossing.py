"""With ``cache.cross_dialect``: an answer that was kept in one form, for a caller who wants it in another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.cache.neutral import request_of
from gateway.cache.retold import Form, Retold, retold, same
from gateway.exchange import Exchange
from providers.neutral import Malformed
from providers.operations import Dialect

if TYPE_CHECKING:
    from gateway.cache.ready import Ready

log = logging.getLogger("microgate.cache")

STREAMED, WITHOUT_USAGE, ARRAY = 1, 2, 4
"""Bits of an entry's form."""


def form_of(x: Exchange) -> Form:
    """How ``x`` wants to be told."""
    return Form(x.dialect, x.stream, x.include_usage == 1, x.dialect == Dialect.GEMINI and b"alt=sse" not in x.query)


def bits_of(x: Exchange, streamed: bool) -> int:
    """The form of the answer that ``x`` was told."""
    form = form_of(x)
    if not streamed:
        return 0
    return STREAMED | (0 if form.usage else WITHOUT_USAGE) | (ARRAY if form.array else 0)


def told(x: Exchange, found: Ready) -> Retold | None:
    """The answer as ``x`` wants it: without a content type where that is how it was kept; None where it cannot be told
    so."""
    wanted = form_of(x)
    form = Form(found.dialect, found.streamed, not found.form & WITHOUT_USAGE, bool(found.form & ARRAY))
    if same(form, wanted):
        return Retold(found.body, "")
    request = request_of(x)
    if request is None:
        return None
    try:
        return retold(found.body, form, wanted, request)
    except Malformed as error:
        log.info("an answer that is kept cannot be told in another form: %s", error)
        return None
