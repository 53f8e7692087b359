"""The words of a condition: literals, names and signs, by the grammar of the Common Expression Language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 4096
"""Of one condition."""


class ConditionError(ValueError):
    """A condition that cannot be: ``at`` is the offset of the character that is wrong."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(f"{message} (at character {at + 1})")
        self.at = at


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """``int``, ``uint``, ``double``, ``string``, ``name``, ``sign`` or ``end``."""
    value: Any
    at: int


WORD = re.compile(
    r"(?P<space>[ \t\n\f\r]+|//[^\n]*)"
    r"|(?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<whole>0x[0-9a-fA-F]+|[0-9]+)(?P<unsigned>[uU])?"
    r"|(?P<string>[rR]?(?:\"\"\"|'''|\"|'))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]])"
)
ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))"
)
SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
NUMBER_ENDS = re.compile(r"[A-Za-z0-9_]")
RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def tokens_of(source: str) -> list[Token]:
    """All tokens, ``end`` last. Raises ConditionError."""
    if len(source.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise ConditionError(f"is longer than {MOST_BYTES} bytes", 0)
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = WORD.match(source, at)
        if match is None:
            raise ConditionError(f"unexpected character {source[at]!r}", at)
        end = match.end()
        if match["double"]:
            if (value := float(match["double"])) == float("inf"):
                raise ConditionError("a double that is too large", at)
            found.append(Token("double", value, at))
        elif match["whole"]:
            found.append(
                Token(
                    "uint" if match["unsigned"] else "int",
                    int(match["whole"], 16 if match["whole"].startswith("0x") else 10),
                    at,
                )
            )
        elif match["string"]:
            text, end = string_at(source, at, match["string"])
            found.append(Token("string", text, at))
        elif match["name"]:
            if match["name"] in RESERVED:
                raise ConditionError(f"{match['name']} is a reserved word", at)
            found.append(Token("name", match["name"], at))
        elif match["sign"]:
            found.append(Token("sign", match["sign"], at))
        if (match["double"] or match["whole"]) and NUMBER_ENDS.match(source, end):
            raise ConditionError("a number ends in something else", at)
        at = end
    return [*found, Token("end", None, len(source))]


def string_at(source: str, at: int, opening: str) -> tuple[str, int]:
    """The string literal that begins at ``at``, and where it ends."""
    raw = opening[0] in "rR"
    quote = opening[1:] if raw else opening
    start = at + len(opening)
    end = start
    while not source.startswith(quote, end):
        if end >= len(source) or (len(quote) == 1 and source[end] in "\r\n"):
            raise ConditionError("a string without its end", at)
        end += 2 if source[end] == "\\" and not raw else 1
    text = source[start:end]
    return (text if raw else unescaped(text, start)), end + len(quote)


def unescaped(text: str, start: int) -> str:
    pieces = []
    at = 0
    while (slash := text.find("\\", at)) >= 0:
        pieces.append(text[at:slash])
        match = ESCAPE.match(text, slash)
        if match is None:
            raise ConditionError("an escape that means nothing", start + slash)
        simple, octal = match[1], match[6]
        if simple:
            pieces.append(SIMPLE.get(simple, simple))
        else:
            point = int(octal, 8) if octal else int(match[2] or match[3] or match[4] or match[5], 16)
            if 0xD800 <= point < 0xE000 or point > 0x10FFFF:
                raise ConditionError("an escape of no character", start + slash)
            pieces.append(chr(point))
        at = match.end()
    return "".join(pieces) + text[at:]
