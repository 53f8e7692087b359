"""What of a request is embedded, and what is digested: the text of the last user turn, and the body without it.

Only the last turn's text may differ between two requests that share an answer. Model, parameters, system prompt, tools
and every earlier turn stay in the body, whose digest has to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from providers.operations import Dialect

Json: TypeAlias = dict[str, Any]

MARKER = "\x00question"
"""Stands where the text stood. A caller who sends it as a text has it replaced by itself, so it can stand for no other
body."""


class Rules(NamedTuple):
    """Which conversations are looked up."""

    max_turns: int = 1
    """Turns of the user, the last one included. A later turn is only comparable after the same answers of the model,
    byte for byte, which hardly ever come twice; so it would cost an embedding and find nothing. It is also where
    questions mean little by themselves ("and the second one?")."""
    min_chars: int = 6
    """What is shorter ("why?", "go on") says too little to be told apart by its vector."""
    max_chars: int = 2000
    """Sentence embedders read 256 to 512 tokens, at four characters each, and do not see what follows."""


RULES = Rules()


class Question(NamedTuple):
    """A body taken apart."""

    text: str
    """Stripped; several parts of a turn are joined by line feeds."""
    rest: Json
    """The body with MARKER in place of the text. It shares everything else with the body: neither may be changed."""


Turn: TypeAlias = tuple[str, Any]
"""The text of a turn, and what stands in its place."""


def _parts(content: object, allowed: Mapping[str, str]) -> Turn | None:
    """Of a list of parts, each of a type in ``allowed`` (``type`` -> the member that holds the text; "" for parts that
    hold none). None when any part is another thing."""
    if not isinstance(content, list):
        return None
    texts: list[str] = []
    rest: list[Any] = []
    for part in content:
        if not isinstance(part, dict):
            return None
        member = allowed.get(str(part.get("type")))
        if member is None:
            return None
        text = part.get(member)
        if not isinstance(text, str):
            return None
        texts.append(text)
        rest.append({**part, member: MARKER})
    return "\n".join(texts), rest


def _text_or_parts(content: object, types: Mapping[str, str]) -> Turn | None:
    return (content, MARKER) if isinstance(content, str) else _parts(content, types)


def _bare_parts(content: object, passive: str = "") -> Turn | None:
    """Of parts that are told apart by their only member: Gemini's and Bedrock's. ``passive``: the member of parts that
    say nothing to the model."""
    if not isinstance(content, list):
        return None
    texts: list[str] = []
    rest: list[Any] = []
    for part in content:
        if not isinstance(part, dict) or len(part) != 1:
            return None
        if passive and passive in part:
            rest.append(part)
            continue
        text = part.get("text")
        if not isinstance(text, str):
            return None
        texts.append(text)
        rest.append({"text": MARKER})
    return "\n".join(texts), rest


TEXT = {"text": "text"}
INPUT_TEXT = {"input_text": "text", "text": "text"}


def _typed(turn: Json) -> Turn | None:
    return _text_or_parts(turn.get("content"), TEXT)


def _bedrock(turn: Json) -> Turn | None:
    return _bare_parts(turn.get("content"), "cachePoint")


def _gemini(turn: Json) -> Turn | None:
    return _bare_parts(turn.get("parts"))


def _item(turn: Json) -> Turn | None:
    if turn.get("type", "message") != "message":
        return None
    return _text_or_parts(turn.get("content"), INPUT_TEXT)


def _conversation(
    body: Json, turns_in: str, text_in: str, read: Callable[[Json], Turn | None], max_turns: int, unnamed: str = ""
) -> Question | None:
    """Of a body with a list of turns, the last of them the user's. ``unnamed`` is whose a turn without a role is."""
    turns = body.get(turns_in)
    if not isinstance(turns, list) or not turns:
        return None
    last = turns[-1]
    if not isinstance(last, dict) or last.get("role", unnamed) != "user":
        return None
    users = sum(1 for turn in turns if isinstance(turn, dict) and turn.get("role", unnamed) == "user")
    if users > max_turns:
        return None
    found = read(last)
    if found is None:
        return None
    text, instead = found
    return Question(text, {**body, turns_in: [*turns[:-1], {**last, text_in: instead}]})


def _chat(body: Json, max_turns: int) -> Question | None:
    return _conversation(body, "messages", "content", _typed, max_turns)


def _converse(body: Json, max_turns: int) -> Question | None:
    return _conversation(body, "messages", "content", _bedrock, max_turns)


def _generate(body: Json, max_turns: int) -> Question | None:
    return _conversation(body, "contents", "parts", _gemini, max_turns, "user")


def _responses(body: Json, max_turns: int) -> Question | None:
    # Both name turns that are not in the body: how many, and whether they are the same today, it does not say.
    if body.get("previous_response_id") is not None or body.get("conversation") is not None:
        return None
    text = body.get("input")
    if isinstance(text, str):
        return Question(text, {**body, "input": MARKER})
    return _conversation(body, "input", "content", _item, max_turns)


def _completions(body: Json, max_turns: int) -> Question | None:
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return Question(prompt, {**body, "prompt": MARKER})
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        return Question(prompt[0], {**body, "prompt": [MARKER]})
    return None


READERS: Mapping[int, Callable[[Json, int], Question | None]] = {
    Dialect.OPENAI_CHAT: _chat,
    Dialect.OPENAI_RESPONSES: _responses,
    Dialect.OPENAI_COMPLETIONS: _completions,
    Dialect.ANTHROPIC: _chat,
    Dialect.GEMINI: _generate,
    Dialect.BEDROCK: _converse,
    Dialect.COHERE: _chat,
}
"""Of the dialects in which a caller may ask for an answer. Bodies of Bedrock's invoke are a model's own."""


def last_turn(dialect: int, body: Json, rules: Rules = RULES) -> Question | None:
    """The question of a decoded body that asks for a generated answer (chat, responses, completions), or None, and then
    nothing similar is looked for: the last turn is not the user's; it holds something other than text (images, audio,
    files, results of tools); it is empty, too short or too long; there are too many turns.

    Never raises: what is wrong in a body is the provider's to say.
    """
    read = READERS.get(dialect)
    if read is None:
        return None
    question = read(body, rules.max_turns)
    if question is None:
        return None
    text = question.text.strip()
    if not rules.min_chars <= len(text) <= rules.max_chars:
        return None
    return Question(text, question.rest)
