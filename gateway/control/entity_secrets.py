"""What becomes of a spec before it is stored, beside its type: it names no file, an admin has confirmed a private
address, and a secret that was sent as it is shown stays what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from gateway.config.addresses import judge_url
from gateway.config.references import FilePath, Secret
from gateway.secrets.bodies import changed_secrets, converted, mask, secrets_of

T = TypeVar("T")


class Unfit(ValueError):
    """What was sent cannot be used; the message says why."""


def fit(wanted: type[T], given: Mapping[str, Any]) -> T:
    """The spec as its type. Raises Unfit."""
    try:
        spec = converted(given, wanted)
    except (msgspec.ValidationError, ValueError) as error:
        raise Unfit(f"spec: {error}") from None
    for path in _files(spec):
        # Whoever may use the API need not be somebody who may read files of the gateway's machine.
        raise Unfit(f"spec: {path} names a file: only the configuration file does")
    return spec


def kept(spec: Any, before: Any) -> Any:
    """``spec`` with the secrets of ``before`` where they were sent as they are shown. Raises Unfit for one that nobody
    knows."""
    known = [(secret, field) for secret, field in secrets_of(before)]

    def look(secret: Secret, field: str) -> Secret:
        text = secret.reveal()
        if not text.startswith("..."):
            return secret
        alike = [(old, place) for old, place in known if mask(old.reveal()) == text]
        same = [old for old, place in alike if place == field] or [old for old, _ in alike]
        if len(same) != 1:
            raise Unfit(f"spec: {field}: send the value itself")
        return same[0]

    return changed_secrets(spec, look)


def needs_confirmation(spec: Any) -> str:
    """Why a provider's address is one that an admin has to confirm; empty when it is public and asked over TLS."""
    url = getattr(spec, "base_url", None)
    if url is None:
        return ""
    if not str(url).startswith("https://"):
        return "base_url is asked without TLS"
    reason = judge_url(str(url), allow_private=False)
    return f"base_url: {reason}" if reason else ""


def _files(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, FilePath):
        yield path
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _files(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from _files(member, f"{path}[{i}]")
