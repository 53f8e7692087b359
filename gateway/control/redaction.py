"""What is blotted out of what was said before any of it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gateway.config.log import BUILT_IN

BLOT = "[redacted]"
LONGEST_WORD = 256
"""Of a text that was cut the last word goes as well: half a secret is one. No longer than this."""

_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|rk|ak|mg[a-z]|xai|gsk|hf|ghp|gho|ghs|glpat|github_pat|xox[abeprs])[-_][A-Za-z0-9_-]{12,512}"
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9_-]{12,512}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,8192}\.?[A-Za-z0-9_-]{0,1024}"
    r"|(?i:\b(?:bearer|basic)[ \t]{1,4}[A-Za-z0-9._~+/=-]{8,4096})"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.]|-(?!-)){0,16384}"
    r"(?:-----END [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?"
)
_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_PHONE = re.compile(r"(?<![A-Za-z0-9+])(?:\+|00|\()[0-9](?:[ ()./-]{0,3}[0-9]){6,14}(?![0-9])")


def _luhn(text: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    digits = [int(each) for each in text if each.isdigit()][::-1]
    return sum(digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits)) % 10 == 0


def _mod_97(text: str) -> bool:
    """ISO 13616: letters count from 10; 1 is left over."""
    plain = text.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


class _Kind(NamedTuple):
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool] | None = None
    """Whether what it finds is what it looks for."""


_KINDS = {
    "keys": _Kind(_KEY),
    "email": _Kind(_EMAIL),
    "card": _Kind(_DIGITS, _luhn),
    "iban": _Kind(_IBAN, _mod_97),
    "phone": _Kind(_PHONE),
}


class Redactor:
    """By kinds that are known here, by patterns and by names of members."""

    def __init__(
        self, kinds: Iterable[str] = BUILT_IN, patterns: Sequence[str] = (), fields: Iterable[str] = ()
    ) -> None:
        self._kinds = [_KINDS[kind] for kind in kinds]
        self._kinds += [_Kind(re.compile(pattern)) for pattern in patterns]
        self.fields = frozenset(fields)
        self._written = _written(self.fields)
        self.found = 0
        """How often something was blotted out."""

    def text(self, text: str) -> str:
        for kind in self._kinds:
            text = kind.pattern.sub(self._replaced(kind.is_one), text)
        return text

    def _replaced(self, is_one: Callable[[str], bool] | None) -> Callable[[re.Match[str]], str]:
        def blotted(match: re.Match[str]) -> str:
            if is_one is not None and not is_one(match[0]):
                return match[0]
            self.found += 1
            return BLOT

        return blotted

    def value(self, value: Any) -> Any:
        """A JSON value without what is to go: members by their names, and in all texts, names and numbers."""
        match value:
            case str():
                return self._inner(value)
            case dict():
                return {self.text(name): self._member(name, member) for name, member in value.items()}
            case list():
                return [self.value(each) for each in value]
            case bool() | None:
                return value
        # A number may be one of a card.
        text = str(value)
        return value if self.text(text) == text else BLOT

    def _member(self, name: str, member: Any) -> Any:
        if name in self.fields:
            self.found += 1
            return BLOT
        return self.value(member)

    def _inner(self, text: str) -> str:
        """A text in a document, which may be a document itself: arguments of a tool are."""
        if not text.lstrip().startswith(("{", "[")):
            return self.text(text)
        try:
            value = json.loads(text)
        except ValueError:
            return self.text(text)
        before = self.found
        value = self.value(value)
        return json.dumps(value, ensure_ascii=False) if self.found > before else text

    def cut_text(self, text: str) -> str:
        """A text whose end is missing, which may be part of a JSON document: texts in it are read as such."""
        return self.unread(without_end(text))

    def unread(self, text: str) -> str:
        """JSON that cannot be read as a document: characters that are escaped are read, members found as they are
        written."""
        text = _ESCAPED.sub(_read, text)
        if self._written is not None and (place := self._written.search(text)):
            # How far its value goes is not known.
            self.found += 1
            text = text[: place.start()] + BLOT
        return self.text(text)


def _written(fields: Iterable[str]) -> re.Pattern[str] | None:
    """Names of members as a document has them, and a document in a text of another one."""
    names = [re.escape(json.dumps(name, ensure_ascii=False)[1:-1]) for name in sorted(fields)]
    quote = r'(?:\\*"|\\+u0022)'
    return re.compile(f"{quote}(?:{'|'.join(names)}){quote}") if names else None


_ESCAPED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|/)")


def _read(match: re.Match[str]) -> str:
    """A character that JSON need not have escaped, in however many documents around each other."""
    if match[1] is None:
        return "/"
    character = chr(int(match[1], base=16))
    return character if character.isprintable() and character not in '"\\' else match[0]


_GROUPS = re.compile(r"(?:(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4}){0,8}|[+(]{0,2}[0-9][0-9 ()./-]{0,30})\s?\Z")
"""Numbers of cards, accounts and telephones are written in groups."""


def without_end(text: str) -> str:
    """Of a text that was cut: without its last word, which may be half a secret, and what belongs to it."""
    text = text[: len(text) - _last_word(text)]
    groups = _GROUPS.search(text, max(0, len(text) - 64))
    return text if groups is None else text[: groups.start()]


def _last_word(text: str) -> int:
    size = 0
    while size < min(LONGEST_WORD, len(text)) and not (text[-1 - size].isspace() or text[-1 - size] == '"'):
        size += 1
    return size
