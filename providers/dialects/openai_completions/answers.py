"""Whole answers of completions."""

from __future__ import annotations

from providers.dialects.openai_chat.answers import decode_usage, encode_usage, finish_of
from providers.dialects.reading import a_list, an_object, rest, text, whole
from providers.neutral import Answer, Choice, Finish, Json, Media, Part, Refusal, Text

ORIGIN = "openai_completions"
_ANSWER = frozenset(("id", "object", "created", "model", "choices", "usage"))


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    answer = Answer(ORIGIN, text(body.get("id")), text(body.get("model")), whole(body.get("created")))
    for value in a_list(body.get("choices"), "choices"):
        choice = an_object(value, "choices")
        finish = choice.get("finish_reason")
        said = Text(text(choice.get("text")))
        answer.choices.append(Choice(whole(choice.get("index")), [said], finish_of(finish) or "stop", text(finish)))
    if isinstance(body.get("usage"), dict):
        answer.usage = decode_usage(body["usage"])
    answer.extra = rest(body, _ANSWER)
    return answer


def encode(answer: Answer) -> Json:
    choices = [
        {
            "index": choice.index,
            "text": "".join(map(words, choice.parts)),
            "logprobs": None,
            "finish_reason": finish_word(choice.finish),
        }
        for choice in answer.choices
    ]
    body: Json = {
        "id": answer.id or "cmpl-0", "object": "text_completion", "created": answer.created, "model": answer.model,
        "choices": choices,
    }  # fmt: skip
    if answer.usage is not None:
        body["usage"] = encode_usage(answer.usage)
    return body


def words(part: Part) -> str:
    """What a part says that has no place but the text."""
    if isinstance(part, Text | Refusal):
        return part.text
    return part.transcript if isinstance(part, Media) else ""


_FILTERED = frozenset(("content_filter", "refusal", "error"))


def finish_word(finish: Finish) -> str:
    """One of the three words there are."""
    return "length" if finish == "length" else "content_filter" if finish in _FILTERED else "stop"
