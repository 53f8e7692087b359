"""Where an answer's texts come from: ``groundingMetadata`` and ``citationMetadata`` to citations and back.

Google counts places in bytes of UTF-8, the neutral form in characters.
"""

from __future__ import annotations

from typing import Any

from providers.dialects.reading import items, mapping, text
from providers.neutral import Citation, Json, Part, Text


def characters(said: str, place: Any) -> int:
    """The character at byte ``place`` of ``said``; -1 when there is no such place."""
    if not isinstance(place, int) or place < 0:
        return -1
    if said.isascii():
        return min(place, len(said))
    return len(said.encode("utf-8", "replace")[:place].decode("utf-8", "ignore"))


def octets(said: str, place: int) -> int:
    """The byte at character ``place`` of ``said``."""
    return place if said.isascii() else len(said[:place].encode("utf-8", "replace"))


def _source(chunk: Any) -> Citation:
    chunk = mapping(chunk)
    for name in ("web", "retrievedContext", "maps", "image"):
        found = chunk.get(name)
        if isinstance(found, dict):
            source = text(found.get("documentName")) or text(found.get("fileSearchStore")) or text(found.get("placeId"))
            url = text(found.get("uri")) or text(found.get("sourceUri"))
            return Citation(url, text(found.get("title")), text(found.get("text")), source=source)
    return Citation()


def decode(candidate: Json, texts: list[str]) -> list[tuple[int, Citation]]:
    """(number of the text, citation) of an answer's candidate; ``texts`` are those of its parts, empty where a part is
    none."""
    found: list[tuple[int, Citation]] = []
    grounding = candidate.get("groundingMetadata")
    if isinstance(grounding, dict):
        _grounding(grounding, texts, found)
    metadata = candidate.get("citationMetadata")
    if isinstance(metadata, dict):
        for source in items(metadata.get("citations") or metadata.get("citationSources")):
            source = mapping(source)
            at, start, end = _place(texts, source, "")
            found.append((at, Citation(text(source.get("uri")), text(source.get("title")), "", start, end)))
    return found


def _grounding(grounding: Json, texts: list[str], found: list[tuple[int, Citation]]) -> None:
    chunks = [_source(chunk) for chunk in items(grounding.get("groundingChunks"))]
    told: set[int] = set()
    for support in items(grounding.get("groundingSupports")):
        support = mapping(support)
        segment = mapping(support.get("segment"))
        words = text(segment.get("text"))
        at, start, end = _place(texts, segment, words)
        for number in items(support.get("groundingChunkIndices")):
            if isinstance(number, int) and 0 <= number < len(chunks):
                told.add(number)
                source = chunks[number]
                found.append((at, Citation(source.url, source.title, words, start, end, source.source)))
    first = _first(texts)
    found += [(first, source) for number, source in enumerate(chunks) if number not in told]


def _first(texts: list[str]) -> int:
    return next((at for at, said in enumerate(texts) if said), -1)


def _place(texts: list[str], segment: Json, words: str) -> tuple[int, int, int]:
    """The text that a segment means, and where in it the segment stands, in characters."""
    number = segment.get("partIndex")
    at = number if isinstance(number, int) and 0 <= number < len(texts) and texts[number] else _first(texts)
    if at < 0:
        return -1, -1, -1
    said = texts[at]
    end = characters(said, segment.get("endIndex"))
    start = characters(said, segment.get("startIndex", 0)) if end >= 0 else -1
    if words and said[start:end] != words:
        # Thoughts are no parts to Google's counting: the words say which text was meant.
        for number, other in enumerate(texts):
            if (place := other.find(words)) >= 0:
                return number, place, place + len(words)
    return at, start, end


def encode(parts: list[Part]) -> Json | None:
    """``groundingMetadata`` for an answer of another dialect; None when it cites nothing."""
    chunks: list[Json] = []
    supports: list[Json] = []
    for number, part in enumerate(parts):
        if isinstance(part, Text):
            for citation in part.citations:
                add(citation, part.text, number, chunks, supports)
    return metadata(chunks, supports)


def add(citation: Citation, said: str, number: int, chunks: list[Json], supports: list[Json]) -> None:
    """One citation of text ``said``, which is part ``number``."""
    if citation.url:
        chunk: Json = {"web": {"uri": citation.url, "title": citation.title or citation.url}}
    else:
        inner = {"title": citation.title, "documentName": citation.source, "text": citation.cited_text}
        chunk = {"retrievedContext": {name: value for name, value in inner.items() if value}}
    if chunk in chunks:
        index = chunks.index(chunk)
    else:
        index = len(chunks)
        chunks.append(chunk)
    if citation.end < 0:
        return
    start = max(citation.start, 0)
    segment: Json = {"startIndex": octets(said, start), "endIndex": octets(said, citation.end)}
    if number:
        segment["partIndex"] = number
    segment["text"] = said[start : citation.end]
    supports.append({"segment": segment, "groundingChunkIndices": [index]})


def metadata(chunks: list[Json], supports: list[Json]) -> Json | None:
    """``groundingMetadata`` of what ``add`` has gathered."""
    if not chunks:
        return None
    return {"groundingChunks": chunks} | ({"groundingSupports": supports} if supports else {})
