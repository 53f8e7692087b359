"""Which alerts are raised and over: once each, and none again and again."""

from __future__ import annotations

import msgspec
import pytest

from gateway.alerts import book as module
from gateway.alerts.alert import Finding, Kept
from gateway.alerts.book import LATE_S, MOST_RECENT, Book
from gateway.config.alerts import Rules, WebhookEntry
from gateway.config.references import Secret

PAGER = WebhookEntry(name="pager", url=Secret("https://x.example/"), secret=Secret("0123456789abcdef"))
RULES = Rules(webhooks=(PAGER,))


def finding(holds: bool | None, **members: object) -> Finding:
    values = {"key": "budget:a:0.8", "kind": "budget", "subject": "team/a", "level": "warning", "holds": holds}
    return Finding(**{**values, **members})  # type: ignore[arg-type]


def told(book: Book, holds: bool | None, at_s: float, **members: object) -> list[str]:
    found = book.take([finding(holds, **members)], RULES, at_s)
    return ["over" if alert.until is not None else "raised" for alert in found]


def fallen(book: Book, at_s: float, **members: object) -> list[str]:
    return told(book, False, at_s, **members) + told(book, False, at_s, **members)


def test_it_is_raised_once_and_over_once() -> None:
    book = Book()
    looks = (False, True, True, None, False, None, False, True, False, False, False)
    seen = [told(book, holds, at_s) for at_s, holds in enumerate(looks, 1000)]
    # A single look that finds it over may have looked at a bad moment.
    assert seen == [[], ["raised"], *[[]] * 7, ["over"], []]
    assert book.active == {}
    [kept] = book.over.values()
    assert [(each.event, each.webhook, each.status) for each in kept.alert.deliveries] == [
        ("raised", "pager", "pending"),
        ("resolved", "pager", "pending"),
    ]
    assert len({each.id for each in kept.alert.deliveries}) == 2


def test_a_window_has_one_alert_of_a_threshold() -> None:
    """What falls and rises again within it is known already; a raised budget, or the next window, is another matter."""
    book = Book()
    window = {"quiet_until_s": 2000.0, "measure": 5, "anew": True}
    assert told(book, True, 1000, **window) == ["raised"]
    assert fallen(book, 1001, **window) == ["over"]
    assert told(book, True, 1002, **window) == []
    assert told(book, True, 1003, **window, key="budget:a:1") == ["raised"]
    assert told(book, True, 1004, **{**window, "measure": 6}) == ["raised"]
    assert fallen(book, 1005, **window) == ["over"]
    assert told(book, True, 2000, **{**window, "quiet_until_s": 3000.0}) == ["raised"]


def test_what_is_still_spent_in_the_next_window_is_another_alert() -> None:
    book = Book()
    assert told(book, True, 1000, quiet_until_s=2000.0, anew=True) == ["raised"]
    assert told(book, True, 2000 + LATE_S - 1, quiet_until_s=3000.0, anew=True) == []
    assert told(book, True, 2000 + LATE_S, quiet_until_s=3000.0, anew=True) == ["over", "raised"]
    # Of a rolling one nothing starts anew.
    assert told(book, True, 1000, key="r", quiet_until_s=2000.0) == ["raised"]
    assert told(book, True, 9000, key="r", quiet_until_s=2000.0) == []


def test_a_successor_raises_nothing_again() -> None:
    book = Book()
    told(book, True, 1000, quiet_until_s=2000.0, anew=True)
    told(book, True, 1000, key="over", quiet_until_s=2000.0)
    fallen(book, 1001, key="over")
    stored = [msgspec.json.encode(kept) for kept in book.changed.values()]
    successor = Book(msgspec.json.decode(body, type=Kept) for body in stored)
    assert told(successor, True, 1100, quiet_until_s=2000.0, anew=True) == []
    assert told(successor, True, 1100, key="over", quiet_until_s=2000.0) == []
    assert list(successor.active) == ["budget:a:0.8"]
    assert fallen(successor, 1101) == ["over"]


def test_webhooks_are_told_what_they_want_to_hear() -> None:
    hooks = [
        msgspec.structs.replace(PAGER, name=name, **wanted)
        for name, wanted in (
            ("all", {}),
            ("kind", {"kinds": ["provider_down"]}),
            ("level", {"levels": ["warning"]}),
            ("neither", {"levels": ["critical"]}),
            ("off", {"enabled": False}),
        )
    ]
    [alert] = Book().take([finding(True)], Rules(webhooks=tuple(hooks)), 1000)
    assert [each.webhook for each in alert.deliveries] == ["all", "level"]


def test_there_is_an_end_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ACTIVE", 3)
    book = Book()
    book.take([finding(True, key=str(n)) for n in range(5)], RULES, 1000)
    assert (len(book.active), book.suppressed) == (3, 2)
    assert len(book.end(["0", "1"], RULES, 1001)) == 2
    assert list(book.active) == ["2"]


def test_old_ones_are_forgotten_once_they_decide_nothing() -> None:
    book = Book()
    for n in range(MOST_RECENT + 3):
        quiet = {0: 0.0, 1: 5000.0}.get(n, 0.0)
        told(book, True, 1000, key=str(n), quiet_until_s=quiet)
        fallen(book, 1001, key=str(n))
    assert book.forget(1002) == []
    for kept in book.over.values():
        for delivery in kept.alert.deliveries:
            delivery.status = "delivered"
    ids = [kept.alert.id for kept in book.over.values()]
    # The second one still keeps others of its window from being raised.
    assert book.forget(1002) == [ids[0], ids[2], ids[3]]
    assert told(book, True, 1003, key="1", quiet_until_s=5000.0) == []
