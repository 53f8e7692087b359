"""Parts of contents, in requests and answers."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects.gemini.media import decode_blob, decode_file, encode_media, takes
from providers.dialects.gemini.spelling import camel, json_text, respell
from providers.dialects.reading import a_list, a_text, an_object, rest, text
from providers.neutral import (
    Json,
    Losses,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

ORIGIN = "gemini"
UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""``skip_thought_signature_validator``: what Google's page on thought signatures gives to calls that no Gemini made."""
_TEXT = frozenset(("text", "thoughtSignature"))
_THOUGHT = frozenset(("text", "thoughtSignature", "thought"))
_CALL_PART = frozenset(("functionCall", "thoughtSignature"))
_CALL = frozenset(("id", "name", "args"))
_RESULT_PART = frozenset(("functionResponse",))
_RESULT = frozenset(("id", "name", "response", "parts"))
_BLOB_PART = frozenset(("inlineData",))
_FILE_PART = frozenset(("fileData",))
_OWN = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
"""What Google's own tools do; nobody else can read it."""


def decode_part(value: Any, place: str) -> Part:
    """A part of a content. Raises Malformed."""
    notes: Json = {}
    part = camel(an_object(value, place), notes)
    if "text" in part:
        return _text(part, notes, place)
    if "functionCall" in part:
        return _call(part, notes, place)
    if "functionResponse" in part:
        return _result(part, notes, place)
    if "inlineData" in part:
        media = decode_blob(camel(an_object(part["inlineData"], f"{place}.inlineData"), notes), f"{place}.inlineData")
        outer = rest(part, _BLOB_PART)
    elif "fileData" in part:
        media = decode_file(camel(an_object(part["fileData"], f"{place}.fileData"), notes), f"{place}.fileData")
        outer = rest(part, _FILE_PART)
    elif part.get("thoughtSignature") and part.keys() <= _THOUGHT:
        notes["text"] = ""  # a signature alone
        return _text(part, notes, place)
    else:
        return Opaque(ORIGIN, value, next((name for name in _OWN if name in part), "part"))
    if outer:
        media.extra = (media.extra or {}) | outer
    media.shape = notes or None
    return media


def _signature(part: Json, place: str) -> str:
    signature = part.get("thoughtSignature")
    return "" if signature is None else a_text(signature, f"{place}.thoughtSignature")


def _text(part: Json, notes: Json, place: str) -> Part:
    said = a_text(part.get("text", ""), f"{place}.text")
    signature = _signature(part, place)
    if part.get("thought") is True:
        found: Text | Reasoning = Reasoning(said, signature, extra=rest(part, _THOUGHT))
    else:
        found = Text(said, signature=signature, extra=rest(part, _TEXT))
    found.shape = notes or None
    return found


def _call(part: Json, notes: Json, place: str) -> ToolCall:
    place = f"{place}.functionCall"
    call = camel(an_object(part["functionCall"], place), notes)
    args = call.get("args")
    found = ToolCall(text(call.get("id")), a_text(call.get("name"), f"{place}.name"))
    if args is not None:
        found.arguments = json_text(an_object(args, f"{place}.args"), f"{place}.args")
    found.signature = _signature(part, place)
    found.shape = notes or None
    found.extra = _extras(part, _CALL_PART, "functionCall", call, _CALL)
    return found


def _extras(part: Json, outer: frozenset[str], name: str, inner: Json, known: frozenset[str]) -> Json | None:
    """What else stands in a part and in its object ``name``, this one under its name."""
    if part.keys() <= outer and inner.keys() <= known:
        return None
    extra = rest(part, outer) or {}
    if more := rest(inner, known):
        extra[name] = more
    return extra or None


def _result(part: Json, notes: Json, place: str) -> ToolResult:
    place = f"{place}.functionResponse"
    result = camel(an_object(part["functionResponse"], place), notes)
    found = ToolResult(text(result.get("id")), a_text(result.get("name"), f"{place}.name"))
    response = result.get("response")
    if response is not None:
        found.value = an_object(response, f"{place}.response")
        said, found.is_error = _said(found.value, place)
        found.parts.append(Text(said))
    for at, piece in enumerate(a_list(result.get("parts") or [], f"{place}.parts")):
        media = decode_part(piece, f"{place}.parts.{at}")
        found.parts.append(media)
    if result.get("parts") == []:
        notes["parts"] = "parts"  # an empty list is to come back
    found.shape = notes or None
    found.extra = _extras(part, _RESULT_PART, "functionResponse", result, _RESULT)
    return found


def _said(response: Json, place: str) -> tuple[str, bool]:
    """The words of a result, and whether it is an error. Google reads ``output`` and ``error``, and takes the whole for
    the output where neither is there; ``result`` is what its own kits write."""
    if len(response) == 1:
        for name in ("output", "result", "error"):
            if name in response:
                inner = response[name]
                said = inner if isinstance(inner, str) else json_text(inner, f"{place}.response")
                return said, name == "error"
    return json_text(response, f"{place}.response"), False


# --- writing


class Writer:
    """Writes the parts of one request or answer."""

    __slots__ = ("fetches", "losses", "modern", "names", "names_files", "own")

    def __init__(self, own: bool, losses: Losses, names: dict[str, str], modern: bool) -> None:
        self.own = own
        """The parts were read from this dialect."""
        self.losses = losses
        self.names = names
        """Call id -> name of the tool: of the latest call, as ids that were made from places come again each turn."""
        self.modern = modern
        """The model is Gemini 3 or later: it wants signatures, and takes pictures in results."""
        self.names_files = False
        """It takes names of files: Vertex alone does."""
        self.fetches = False
        """It takes addresses of the web."""

    def parts(self, parts: list[Part]) -> list[Json]:
        """Parts on the wire."""
        out: list[Json] = []
        signed = not self.modern or self.own
        for part in parts:
            if isinstance(part, Text):
                self._text(part, out)
            elif isinstance(part, ToolCall):
                written = encode_call(part, self.own)
                self.names[part.id] = part.name
                if not signed and not part.signature:
                    written["thoughtSignature"] = UNSIGNED
                signed = True  # of parallel calls only the first wants one
                out.append(written)
            elif isinstance(part, ToolResult):
                out += self._result(part)
            elif isinstance(part, Media):
                if (media := self._media(part)) is not None:
                    out.append(media)
            elif isinstance(part, Reasoning):
                if self.own:
                    out.append(encode_text(part, True, True))
                else:
                    self.losses.lose("messages.reasoning")
            elif isinstance(part, Refusal):
                out.append({"text": part.text})
            elif self.own and part.dialect == ORIGIN:
                out.append(part.value)
            else:
                self.losses.lose(f"messages.{part.kind or part.dialect}")
        return out

    def _text(self, part: Text, out: list[Json]) -> None:
        if self.own:
            out.append(encode_text(part, False, True))
            return
        if part.cache is not None:
            self.losses.lose("cache_control")
        if part.citations:
            self.losses.lose("messages.citations")
        if part.text or part.signature:
            out.append(encode_text(part, False, False))

    def _media(self, part: Media) -> Json | None:
        if self.own:
            return encode_media(part, True)
        if part.cache is not None:
            self.losses.lose("cache_control")
        if part.text:
            return {"text": part.text}
        if part.detail in ("low", "high"):
            self.losses.lose("messages.detail")
        if part.name and not self.names_files:
            self.losses.lose("messages.filename")
        if part.data or takes(part.url or part.file_id, part.kind, self.fetches):
            return encode_media(part, False, self.names_files)
        self.losses.lose(f"messages.{part.kind}")
        return None

    def _result(self, part: ToolResult) -> list[Json]:
        notes = part.shape if self.own else None
        inner: Json = {}
        if part.call_id and not (notes and notes.get("made")):
            inner["id"] = part.call_id
        inner["name"] = part.name or self.names.get(part.call_id, "") or part.call_id or "tool"
        behind: list[Json] = []
        inside: list[Json] = []
        texts: list[str] = []
        for one in part.parts:
            if isinstance(one, Text):
                texts.append(one.text)
            elif isinstance(one, Media):
                if (media := self._media(one)) is not None:
                    # Before Gemini 3 results were texts alone; what else they brought stands behind them.
                    (inside if self.own or (self.modern and "text" not in media) else behind).append(media)
            elif isinstance(one, Opaque) and self.own:
                inside.append(one.value)
            else:
                self.losses.lose("messages.tool_result")
        if self.own:
            if part.value is not None:
                inner["response"] = part.value
            elif texts:
                inner["response"] = {"output": "\n".join(texts)}
        elif isinstance(part.value, dict) and not part.is_error:
            inner["response"] = part.value
        elif part.value is not None and not part.is_error:
            inner["response"] = {"output": part.value}
        else:
            inner["response"] = {"error" if part.is_error else "output": "\n".join(texts)}
        if inside or (notes and "parts" in notes):
            inner["parts"] = inside
        if not self.own:
            if part.cache is not None:
                self.losses.lose("cache_control")
            return [{"functionResponse": inner}, *behind]
        extra = part.extra
        if extra and isinstance(more := extra.get("functionResponse"), dict):
            inner |= more
        return [_outer({"functionResponse": respell(inner, notes)}, extra, "functionResponse", notes)]


def _outer(value: Json, extra: Json | None, name: str, notes: Json | None) -> Json:
    if extra:
        value |= {key: member for key, member in extra.items() if key != name}
    return respell(value, notes)


def encode_text(part: Text | Reasoning, thought: bool, own: bool) -> Json:
    """A text or a thought."""
    value: Json = {"text": part.text}
    if thought:
        value["thought"] = True
    if part.signature:
        value["thoughtSignature"] = part.signature
    if not own:
        return value
    if part.shape and part.shape.get("text") == "" and not part.text:
        del value["text"]
    return _outer(value, part.extra, "", part.shape)


def encode_call(call: ToolCall, own: bool) -> Json:
    """A function call."""
    notes = call.shape if own else None
    inner: Json = {}
    if call.id and not (notes and notes.get("made")):
        inner["id"] = call.id
    inner["name"] = call.name
    if call.arguments or not own:
        inner["args"] = arguments_of(call)
    extra = call.extra if own else None
    if extra and isinstance(more := extra.get("functionCall"), dict):
        inner |= more
    value: Json = {"functionCall": respell(inner, notes)}
    if call.signature:
        value["thoughtSignature"] = call.signature
    return _outer(value, extra, "functionCall", notes)


def arguments_of(call: ToolCall) -> Json:
    """Arguments as an object, which is all that Google takes: free text, and what a model wrote that is none, stands in
    ``input``."""
    if not call.arguments:
        return {}
    if not call.custom:
        try:
            value = orjson.loads(call.arguments)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            return value
    return {"input": call.arguments}
