"""What was said in a request and its answer, as a request log keeps it."""

from __future__ import annotations

import zlib

import msgspec

from gateway.stores.log_query import Term


class StoredContent(msgspec.Struct, frozen=True, kw_only=True):
    """Redacted, and cut where it was too long."""

    request_id: bytes
    started_us: int
    request: str
    response: str
    media_type: str = ""
    """Of the response as it was sent; one of events is kept as the text that they make up."""
    request_truncated: bool = False
    response_truncated: bool = False
    redacted: bool = False
    """Something was blotted out."""
    request_words: str = ""
    response_words: str = ""
    """What a search looks at; not given back."""

    @property
    def bits(self) -> int:
        return self.request_truncated | self.response_truncated << 1 | self.redacted << 2


def folded(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "replace"), 1)


def unfolded(data: bytes) -> str:
    return zlib.decompress(data).decode("utf-8", "replace")


def content_of(
    request_id: bytes, started_us: int, media_type: str, bits: int, request: bytes, response: bytes
) -> StoredContent:
    """From the columns of a row."""
    return StoredContent(
        request_id=bytes(request_id),
        started_us=started_us,
        request=unfolded(request),
        response=unfolded(response),
        media_type=media_type,
        request_truncated=bool(bits & 1),
        response_truncated=bool(bits & 2),
        redacted=bool(bits & 4),
    )


def matching(search: tuple[Term, ...]) -> str:
    """As SQLite's full-text search takes it: ``("a" "b c") NOT "d"``."""
    quoted = [(term.excluded, '"' + term.text.replace('"', '""') + '"') for term in search]
    # Side by side, one without any letter counts for nothing; behind AND it would match nothing.
    wanted = " ".join(text for excluded, text in quoted if not excluded)
    return " NOT ".join([f"({wanted})", *(text for excluded, text in quoted if excluded)])


def as_typed(search: tuple[Term, ...]) -> str:
    """As PostgreSQL's websearch_to_tsquery takes it."""
    return " ".join(("-" if term.excluded else "") + '"' + term.text.replace('"', " ") + '"' for term in search)
