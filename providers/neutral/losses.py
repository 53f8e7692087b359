"""What cannot be read, and what cannot be said: the errors, and the account of what a target had no place for."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]


class Malformed(ValueError):
    """What was to be decoded is not what its dialect says. ``member`` names the place, as a path with dots."""

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(message)
        self.member = member


class Unsupported(ValueError):
    """The target has no place for ``member``, and its policy is ``error``."""

    def __init__(self, member: str) -> None:
        super().__init__(f"'{member}' cannot be said to this provider.")
        self.member = member


Policy: TypeAlias = Literal["drop", "error", "pass"]


_STATE = frozenset(("previous_response_id", "conversation"))
_HARMLESS = frozenset(
    ("store", "include", "truncation", "prompt_cache_key", "prompt_cache_options", "safety_identifier")
)


class Losses:
    """What a target could not take, by policy: dropped and named, an error, or passed on as it came."""

    __slots__ = ("names", "policy")

    def __init__(self, policy: Policy = "drop") -> None:
        self.policy = policy
        self.names: list[str] = []

    def lose(self, member: str) -> None:
        """Note that ``member`` is left out. Raises Unsupported when the policy says so."""
        if self.policy == "error":
            raise Unsupported(member)
        if member not in self.names:
            self.names.append(member)

    def leave(self, extra: Json | None, target: Json) -> None:
        """Members that only the caller's dialect knows: put into ``target`` under policy ``pass``, else lost. Members
        that say nothing (null, false, empty), and such as change nothing about the answer, are no loss. What refers to
        a conversation kept by the provider can't be left out: Unsupported, whatever the policy."""
        if not extra:
            return
        for name, value in extra.items():
            if value in (None, False, [], {}):
                continue
            if name in _STATE:
                raise Unsupported(name)
            if self.policy == "pass":
                target.setdefault(name, value)
            elif name not in _HARMLESS:
                self.lose(name)
