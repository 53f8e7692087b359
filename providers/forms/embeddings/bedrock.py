"""Embeddings through Bedrock's InvokeModel, whose body is the model family's own: Titan, Cohere and Nova.

Sources: the recorded exchanges; Amazon Bedrock user guide, "Amazon Titan Embeddings Text", "Cohere Embed models";
Amazon Nova user guide, "Multimodal embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.dialects.base import Facts
from providers.dialects.reading import a_list, a_text, an_object, items, mapping, rest, text
from providers.forms.base import Form
from providers.forms.embeddings import (
    ENCODINGS,
    FLOAT,
    EmbedAnswer,
    EmbedRequest,
    Input,
    Piece,
    a_vector,
    count,
    only_one,
    pieces_of,
    text_of,
    vectors,
    wanted,
)
from providers.forms.embeddings import cohere as cohere_form
from providers.neutral import Json, Losses, Malformed, Media, Text

TOKENS_FIELD = "x-amzn-bedrock-input-token-count"
COHERE = "cohere"
TITAN = "titan"
NOVA = "nova"
TITAN_KNOWN = frozenset(("inputText", "inputImage", "dimensions", "normalize", "embeddingTypes", "embeddingConfig"))
NOVA_PURPOSES = {
    "GENERIC_INDEX": "document",
    "GENERIC_RETRIEVAL": "query",
    "TEXT_RETRIEVAL": "query",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
PURPOSES_OF_NOVA = {
    "document": "GENERIC_INDEX",
    "query": "GENERIC_RETRIEVAL",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def family_of(body: Json, model: str) -> str:
    """Whose form a caller's body has; empty when it asks for no embeddings."""
    if "messages" in body or "prompt" in body or "query" in body:
        return ""
    if "singleEmbeddingParams" in body:
        return NOVA
    if "input_type" in body and body.keys() & {"texts", "images", "inputs"}:
        return COHERE
    if body.keys() & {"inputText", "inputImage"} and "textGenerationConfig" not in body:
        said = body.keys() & {"dimensions", "normalize", "embeddingTypes", "embeddingConfig", "inputImage"}
        return TITAN if said or "embed" in model.lower() else ""
    return ""


def family_of_model(model: str) -> str:
    name = model.lower()
    if "cohere." in name:
        return COHERE
    if "titan-embed" in name:
        return TITAN
    if "nova" in name and "embed" in name:
        return NOVA
    raise Malformed(
        "Bedrock's embedding models known here are amazon.titan-embed…, amazon.nova…-embeddings and cohere.embed….",
        "model",
    )


class Bedrock(Form[EmbedRequest, EmbedAnswer]):
    def decode_request(self, body: Json, *, model: str, path: str) -> EmbedRequest:
        family = family_of(body, model)
        if family == COHERE:
            encodings, purpose, cut = cohere_form.options_of(body)
            return EmbedRequest(
                cohere_form.inputs_of(body),
                False,
                count(body.get("output_dimension"), "output_dimension"),
                purpose,
                encodings=encodings,
                truncate=cut,
                form=COHERE,
                extra=rest(body, cohere_form.KNOWN),
            )
        return _from_nova(body) if family == NOVA else _from_titan(body)

    def encode_request(self, asked: EmbedRequest, facts: Facts, losses: Losses) -> Json:
        family = family_of_model(facts.model)
        if family == COHERE:
            body: Json = {}
            cohere_form.put_inputs(body, asked, losses)
            body["embedding_types"] = wanted(asked, tuple(name for name in ENCODINGS if name != "base64"))
            if asked.dimensions is not None:
                body["output_dimension"] = asked.dimensions
        else:
            body = _to_titan(asked, facts.model, losses) if family == TITAN else _to_nova(asked, losses)
            for member, value in (("title", asked.title), ("user", asked.user)):
                if value:
                    losses.lose(member)
        losses.leave(asked.extra, body)
        return body

    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> EmbedAnswer:
        counted = headers.get(TOKENS_FIELD, "")
        said = body.get("inputTextTokenCount")
        tokens = said if type(said) is int else int(counted) if counted.isascii() and counted.isdigit() else None
        by_type = mapping(body.get("embeddingsByType"))
        if by_type:
            return EmbedAnswer({name: [a_vector(value)] for name, value in by_type.items()}, input_tokens=tokens)
        if "embedding" in body:
            return EmbedAnswer({FLOAT: [a_vector(body["embedding"])]}, input_tokens=tokens)
        listed = items(body.get("embeddings"))
        if listed and isinstance(listed[0], dict):
            return EmbedAnswer(
                {FLOAT: [a_vector(mapping(one).get("embedding")) for one in listed]}, input_tokens=tokens
            )
        return EmbedAnswer(cohere_form.vectors_in(body), "", text(body.get("id")), tokens)

    def encode_answer(self, answer: EmbedAnswer, asked: EmbedRequest) -> Json:
        if asked.form == COHERE:
            body: Json = {"id": answer.id or "embed-0"}
            if asked.encodings:
                body["embeddings"] = {name: vectors(answer, name) for name in asked.encodings}
                body["response_type"] = "embeddings_by_type"
            else:
                body["embeddings"] = vectors(answer, FLOAT)
                body["response_type"] = "embeddings_floats"
            body["texts"] = [value for value in asked.inputs if isinstance(value, str)]
            return body
        if asked.form == NOVA:
            return {"embeddings": [{"embeddingType": "TEXT", "embedding": vectors(answer, FLOAT)[0]}]}
        encodings = asked.encodings or [FLOAT]
        body = {"embedding": vectors(answer, FLOAT)[0]} if FLOAT in encodings else {}
        if asked.encodings:
            body["embeddingsByType"] = {name: vectors(answer, name)[0] for name in encodings}
        body["inputTextTokenCount"] = answer.input_tokens or 0
        return body


def _from_titan(body: Json) -> EmbedRequest:
    words = text(body.get("inputText"))
    value: Input = words
    if isinstance(body.get("inputImage"), str):
        pieces: list[Piece] = [Text(words)] if words else []
        value = [*pieces, Media("image", data=body["inputImage"])]
    if not value:
        raise Malformed("'inputText' is missing.", "inputText")
    size = body.get("dimensions", mapping(body.get("embeddingConfig")).get("outputEmbeddingLength"))
    encodings = [a_text(name, "embeddingTypes") for name in a_list(body.get("embeddingTypes") or [], "embeddingTypes")]
    normalize = body.get("normalize")
    return EmbedRequest(
        [value],
        True,
        count(size, "dimensions"),
        encodings=encodings,
        normalize=normalize if isinstance(normalize, bool) else None,
        form=TITAN,
        extra=rest(body, TITAN_KNOWN),
    )


def _to_titan(asked: EmbedRequest, model: str, losses: Losses) -> Json:
    value = only_one(asked)
    for member, said in (("input_type", asked.purpose), ("truncate", asked.truncate)):
        if said:
            losses.lose(member)
    if "titan-embed-image" in model:
        wanted(asked, (FLOAT,))
        body: Json = {}
        for piece in pieces_of(value, "input"):
            if isinstance(piece, Media) and not piece.data:
                raise Malformed("This provider takes images as data only.", "input")
            name, said = ("inputText", piece.text) if isinstance(piece, Text) else ("inputImage", piece.data)
            if name in body:
                raise Malformed("This provider takes one text and one image a request.", "input")
            body[name] = said
        if asked.dimensions is not None:
            body["embeddingConfig"] = {"outputEmbeddingLength": asked.dimensions}
        return body
    body = {"inputText": text_of(value, "input")}
    if "titan-embed-text-v1" in model or "g1-text" in model:
        wanted(asked, (FLOAT,))
        if asked.dimensions is not None:
            losses.lose("dimensions")
        return body
    encodings = wanted(asked, (FLOAT, "binary"))
    if encodings != [FLOAT]:
        body["embeddingTypes"] = encodings
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    if asked.normalize is not None:
        body["normalize"] = asked.normalize
    return body


def _from_nova(body: Json) -> EmbedRequest:
    said = an_object(body.get("singleEmbeddingParams"), "singleEmbeddingParams")
    words = mapping(said.get("text"))
    if not isinstance(words.get("value"), str):
        raise Malformed("Of Nova's form only texts are known here.", "singleEmbeddingParams")
    return EmbedRequest(
        [words["value"]],
        True,
        count(said.get("embeddingDimension"), "embeddingDimension"),
        NOVA_PURPOSES.get(text(said.get("embeddingPurpose")), ""),
        truncate=text(words.get("truncationMode")).lower(),
        form=NOVA,
    )


def _to_nova(asked: EmbedRequest, losses: Losses) -> Json:
    wanted(asked, (FLOAT,))
    words = text_of(only_one(asked), "input")
    if asked.purpose and asked.purpose not in PURPOSES_OF_NOVA:
        losses.lose("input_type")
    said: Json = {"embeddingPurpose": PURPOSES_OF_NOVA.get(asked.purpose, "GENERIC_INDEX")}
    if asked.dimensions is not None:
        said["embeddingDimension"] = asked.dimensions
    said["text"] = {"truncationMode": (asked.truncate or "none").upper(), "value": words}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": said}


FORM = Bedrock()
