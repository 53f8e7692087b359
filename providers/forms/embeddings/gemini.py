"""Gemini's ``:embedContent`` and ``:batchEmbedContents``.

Sources: the recorded exchanges; the converters of Google's Python SDK; Gemini API reference, "Embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import Facts
from providers.dialects.reading import a_list, an_object, items, mapping, rest, standard, text
from providers.forms.base import Form
from providers.forms.embeddings import (
    FLOAT,
    EmbedAnswer,
    EmbedRequest,
    Input,
    Piece,
    a_vector,
    at_least_one,
    count,
    pieces_of,
    vectors,
    wanted,
)
from providers.neutral import Json, Losses, Malformed, Media, Text

ONE = ":embedContent"
SEVERAL = ":batchEmbedContents"
KNOWN = frozenset(
    ("model", "content", "taskType", "task_type", "title", "outputDimensionality", "output_dimensionality")
)
TASKS = {
    "RETRIEVAL_QUERY": "query",
    "RETRIEVAL_DOCUMENT": "document",
    "SEMANTIC_SIMILARITY": "similarity",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "QUESTION_ANSWERING": "question_answering",
    "FACT_VERIFICATION": "fact_verification",
    "CODE_RETRIEVAL_QUERY": "code_query",
}
PURPOSES = {purpose: task for task, purpose in TASKS.items()}


def _content(value: Any) -> Input:
    """The parts of a content, or the text that is its only one."""
    content = an_object(value, "content")
    pieces: list[Piece] = []
    for part in a_list(content.get("parts"), "content.parts"):
        said = mapping(part)
        blob = mapping(said.get("inlineData") or said.get("inline_data"))
        file = mapping(said.get("fileData") or said.get("file_data"))
        if isinstance(said.get("text"), str):
            pieces.append(Text(said["text"]))
        elif blob:
            kind = text(blob.get("mimeType") or blob.get("mime_type"))
            pieces.append(Media(_kind(kind), kind, data=standard(text(blob.get("data")))))
        elif file:
            kind = text(file.get("mimeType") or file.get("mime_type"))
            pieces.append(Media(_kind(kind), kind, url=text(file.get("fileUri") or file.get("file_uri"))))
        else:
            raise Malformed("A part of 'content' is neither a text nor data.", "content.parts")
    if not pieces:
        raise Malformed("'content.parts' is empty.", "content.parts")
    if len(pieces) == 1 and isinstance(pieces[0], Text):
        return pieces[0].text
    return pieces


def _kind(media_type: str) -> Any:
    kind = media_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "file"


def _part(piece: Piece) -> Json:
    if isinstance(piece, Text):
        return {"text": piece.text}
    if piece.url:
        return {"fileData": {"mimeType": piece.media_type, "fileUri": piece.url}}
    return {"inlineData": {"mimeType": piece.media_type or "image/png", "data": piece.data}}


class Gemini(Form[EmbedRequest, EmbedAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> EmbedRequest:
        several = path.endswith(SEVERAL)
        found = (
            [an_object(item, "requests") for item in a_list(body.get("requests"), "requests")] if several else [body]
        )
        inputs = at_least_one([_content(item.get("content")) for item in found], "requests")
        first = found[0]
        if any({**item, "content": 0, "model": 0} != {**first, "content": 0, "model": 0} for item in found[1:]):
            raise Malformed(
                "Requests of one batch that differ in more than their content are for Gemini alone.", "requests"
            )
        task = text(first.get("taskType") or first.get("task_type"))
        if task and task not in TASKS and task != "TASK_TYPE_UNSPECIFIED":
            raise Malformed(f"'{task[:40]}' is no task of embeddings known here.", "taskType")
        size = first.get("outputDimensionality", first.get("output_dimensionality"))
        return EmbedRequest(
            inputs,
            not several,
            count(size, "outputDimensionality"),
            TASKS.get(task, ""),
            text(first.get("title")),
            extra=rest(first, KNOWN),
        )

    def encode_request(self, asked: EmbedRequest, facts: Facts, losses: Losses) -> Json:
        wanted(asked, (FLOAT,))
        options: Json = {}
        if asked.purpose in PURPOSES:
            options["taskType"] = PURPOSES[asked.purpose]
        elif asked.purpose:
            losses.lose("input_type")
        if asked.title:
            options["title"] = asked.title
        if asked.dimensions is not None:
            options["outputDimensionality"] = asked.dimensions
        for member, value in (("truncate", asked.truncate), ("user", asked.user), ("normalize", asked.normalize)):
            if value:
                losses.lose(member)
        losses.leave(asked.extra, options)
        name = f"models/{facts.model}"
        requests = [
            {"model": name, "content": {"parts": [_part(piece) for piece in pieces_of(value, "input")]}, **options}
            for value in asked.inputs
        ]
        return requests[0] if asked.single else {"requests": requests}

    def path(self, path: str, asked: EmbedRequest) -> str:
        return path if asked.single else path.removesuffix(ONE) + SEVERAL

    def same(self, body: Json, path: str, target: str, model: str) -> tuple[Json | None, str]:
        """Each request of a batch names the model once more."""
        name = f"models/{model}"
        if not path.endswith(SEVERAL):
            changed = {**body, "model": name} if body.get("model", name) != name else None
            return changed, target
        requests = [item for item in items(body.get("requests")) if isinstance(item, dict)]
        changed = None
        if any(item.get("model", name) != name for item in requests):
            changed = {**body, "requests": [{**item, "model": name} for item in requests]}
        return changed, target.removesuffix(ONE) + SEVERAL

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> EmbedAnswer:
        found = (
            [mapping(body["embedding"])] if "embedding" in body else [mapping(e) for e in items(body.get("embeddings"))]
        )
        if not found:
            raise Malformed("The answer holds no embeddings.")
        tokens = mapping(body.get("usageMetadata")).get("promptTokenCount")
        return EmbedAnswer(
            {FLOAT: [a_vector(item.get("values")) for item in found]},
            input_tokens=tokens if type(tokens) is int else None,
        )

    def encode_answer(self, answer: EmbedAnswer, asked: EmbedRequest) -> Json:
        found = [{"values": vector} for vector in vectors(answer, FLOAT)]
        body: Json = {"embedding": found[0]} if asked.single else {"embeddings": found}
        if answer.input_tokens is not None:
            body["usageMetadata"] = {"promptTokenCount": answer.input_tokens}
        return body


FORM = Gemini()
