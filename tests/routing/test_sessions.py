"""Which of a provider's keys a session goes to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from _speedups._keys import KeySet
from gateway.serving import Upstream
from gateway.snapshot.model import Provider, ProviderKey

NOW = 10**12
ALL = 0b1111
SESSIONS = [f"session-{number}".encode() for number in range(200)]


def upstream(tokens: int | None = None) -> Upstream:
    """Four keys; of those with a credential the ones in ``tokens`` have a token."""
    keys = tuple(ProviderKey(id=f"k{index}", name=f"k{index}", value="x") for index in range(4))
    base = "http://127.0.0.1:1"
    spec = Provider(id="p", name="p", vendor="custom", base_url=base, dialects={}, paths={}, keys=keys)
    made = Upstream(spec, None, None)
    if tokens is not None:
        made.credentials = SimpleNamespace(usable=lambda mask, now_ns: (mask & tokens, mask & ~tokens))
    return made


def chosen(made: Upstream, mask: int = ALL) -> list[int]:
    return [made.narrowed(session, mask, NOW) for session in SESSIONS]


def test_each_has_its_key_and_all_keys_have_some() -> None:
    found = chosen(upstream())
    assert set(found) == {1, 2, 4, 8}
    assert found == chosen(upstream())


def test_a_key_without_a_token_is_none_for_a_session() -> None:
    """Another key would do: the session goes there, and those of the other keys stay."""
    before, after = chosen(upstream()), chosen(upstream(tokens=0b1101))
    assert set(after) == {1, 4, 8}
    assert all(new == old for old, new in zip(before, after, strict=True) if old != 2)


def test_neither_is_one_that_rests_or_may_not_be_asked() -> None:
    made: Any = upstream()
    keys: KeySet = made.keys
    keys.cool(0, NOW + 1)
    assert set(chosen(made)) == {2, 4, 8}
    assert set(chosen(made, 0b0110)) == {2, 4}


def test_where_there_is_no_choice_none_is_made() -> None:
    """The draw that follows says why nobody can be asked, or waits for a token."""
    assert set(chosen(upstream(tokens=0))) == {ALL}
    assert set(chosen(upstream(), 0b0100)) == {0b0100}
