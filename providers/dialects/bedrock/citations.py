"""Citations of Bedrock: what a stretch of text is taken from.

Source: ``Citation`` and ``CitationLocation`` of the service model in botocore 1.44; recorded answers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from providers.dialects.reading import items, mapping, text
from providers.neutral import Citation, Json

_ANTHROPIC = {
    "char_location": ("documentChar", "document_index", "documentIndex", "start_char_index", "end_char_index"),
    "page_location": ("documentPage", "document_index", "documentIndex", "start_page_number", "end_page_number"),
    "content_block_location": (
        "documentChunk", "document_index", "documentIndex", "start_block_index", "end_block_index",
    ),
    "search_result_location": (
        "searchResultLocation", "search_result_index", "searchResultIndex", "start_block_index", "end_block_index",
    ),
}  # fmt: skip
"""Anthropic's type of a citation -> Bedrock's location, index there and here, first and last place there."""


def decode(value: Json) -> Citation:
    """Its places are those in the source, not in the text, so they stay in ``extra``."""
    web = mapping(mapping(value.get("location")).get("web"))
    cited = "".join(text(mapping(one).get("text")) for one in items(value.get("sourceContent")))
    return Citation(
        text(web.get("url")), text(value.get("title")), cited, source=text(value.get("source")), extra=value
    )


_OWN = frozenset(("title", "source", "sourceContent", "location"))


def encode(citation: Citation) -> Json:
    """A citation for a caller; one of Bedrock's own as it came."""
    if citation.extra is not None and citation.extra.keys() <= _OWN:
        return citation.extra
    out: Json = {}
    if citation.title:
        out["title"] = citation.title
    if citation.source:
        out["source"] = citation.source
    if citation.cited_text:
        out["sourceContent"] = [{"text": citation.cited_text}]
    if citation.url:
        out["location"] = {"web": {"url": citation.url, "domain": _domain(citation.url)}}
    elif citation.extra and (known := _ANTHROPIC.get(text(citation.extra.get("type")))) is not None:
        kind, index, name, first, last = known
        given = citation.extra
        if all(isinstance(given.get(member), int) for member in (index, first, last)):
            out["location"] = {kind: {name: given[index], "start": given[first], "end": given[last]}}
    return out


def _domain(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
