"""What a form offers: four turns between bodies and what they ask for and answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

from providers.dialects.base import Facts
from providers.neutral import Json, Losses

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Form(ABC, Generic[Asked, Answered]):
    """One operation in one dialect."""

    @abstractmethod
    def decode_request(self, body: Json, *, model: str, path: str) -> Asked:
        """A caller's request at ``path``, the route's. Raises Malformed, whose message the caller is shown."""

    @abstractmethod
    def encode_request(self, asked: Asked, facts: Facts, losses: Losses) -> Json:
        """The body for a provider. Raises Unsupported through ``losses``, and Malformed where the provider can't be
        asked for this at all."""

    @abstractmethod
    def decode_answer(self, body: Json, headers: Mapping[str, str]) -> Answered:
        """A provider's answer, header fields in small letters. Raises Malformed."""

    @abstractmethod
    def encode_answer(self, answer: Answered, asked: Asked) -> Json:
        """The answer for a caller who asked so."""

    def path(self, path: str, asked: Asked) -> str:
        """The provider's path for this request, from that of the operation."""
        return path

    def same(self, body: Json, path: str, target: str, model: str) -> tuple[Json | None, str]:
        """Of a caller who speaks this dialect: the body where more than the one member ``model`` has to differ, and the
        path at the provider, from the route's and the provider's."""
        return None, target
