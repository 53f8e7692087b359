"""Deliveries over real connections: signed, tried again, kept over a restart, led nowhere that is forbidden."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from _speedups._bucket import Arena
from gateway.alerts import webhook as module
from gateway.alerts.alert import Alert, Delivery, Kept, at
from gateway.alerts.deliveries import PAUSES_S, Deliveries
from gateway.alerts.webhook import send, signature_of
from gateway.config.alerts import Rules, WebhookEntry
from gateway.config.references import Secret
from gateway.control import alerting
from gateway.control.aggregate import Aggregates
from gateway.control.migrate import upgrade
from gateway.snapshot.model import Snapshot
from gateway.stores.urls import open_database, sqlite_url
from gateway.upstream.dial import Dialer
from tests.live.upstreams import Act, Received, Step, Upstream, http
from tests.waiting import PATIENCE_S

SECRET = "whsec-0123456789abcdef"
ROOT = Path(__file__).resolve().parents[2]


class Receiver(Upstream):
    """Answers with the statuses it is told, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        super().__init__(self._answer)

    def _answer(self, received: Received) -> list[Step]:
        status = self.statuses.pop(0) if self.statuses else 204
        return [Act.RESET] if not status else [http(b"", status)]

    def hook(self, **members: Any) -> WebhookEntry:
        given: dict[str, Any] = {"name": "pager", "allow_private": True, "secret": Secret(SECRET)}
        return WebhookEntry(**{**given, "url": Secret(f"{self.url}/hook?token=x"), **members})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def kept_of(event: str = "raised", number: int = 1, hook: str = "pager") -> Kept:
    alert = Alert(
        id=f"a{number}", kind="budget", subject="team/a", message="Team a has", level="warning", since=at(1000.0),
        deliveries=[Delivery(id=f"d{number}", webhook=hook, event=event, next_at=at(1000.0))],
    )  # type: ignore[arg-type]  # fmt: skip
    return Kept(key=f"budget:{number}", alert=alert)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await work()
        # Sockets are closed in the loop's next turns.
        await asyncio.sleep(0.01)

    asyncio.run(all_of_it())


async def drained(deliveries: Deliveries) -> None:
    while deliveries._under_way:
        await asyncio.sleep(0.002)


def genuine() -> Callable[[str, str, bytes], bool]:
    """The function that the page of documentation gives receivers."""
    page = (ROOT / "docs" / "alerts.md").read_text()
    [snippet] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own page
    found: Callable[[str, str, bytes], bool] = names["is_genuine"]
    return found


def test_what_is_sent_can_be_verified_as_documented(receiver: Receiver) -> None:
    async def work() -> None:
        kept = kept_of()
        sent = await send(
            Dialer(asyncio.get_running_loop()),
            receiver.hook(),
            module.body_of(kept.alert, kept.alert.deliveries[0]),
            kept.alert.deliveries[0],
        )
        assert (sent.ok, sent.status, sent.error) == (True, 204, "")

    run(work)
    [received] = receiver.requests
    assert (received.method, received.target) == ("POST", "/v1/hook?token=x")
    assert received.header("content-type") == "application/json"
    assert (received.header("x-microgate-delivery"), received.header("x-microgate-event")) == ("d1", "alert.raised")
    signature = received.header("x-microgate-signature") or ""
    verify = genuine()
    assert verify(SECRET, signature, received.body)
    assert not verify(SECRET + "x", signature, received.body)
    assert not verify(SECRET, signature, received.body + b" ")
    assert not verify(SECRET, signature_of(SECRET, received.body, int(time.time()) - 400), received.body)
    assert received.json()["alert"]["subject"] == "team/a"
    assert set(received.json()) == {"type", "delivery", "alert"}


def test_the_example_of_the_page_has_the_members_that_are_sent() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    [example] = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    kept = kept_of()
    body = json.loads(module.body_of(kept.alert, kept.alert.deliveries[0]))
    assert {*json.loads(example)["alert"]} == {*body["alert"]}
    assert {*json.loads(example)} == {*body}


def test_it_is_tried_again_with_growing_pauses(receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 0]
    settled: list[tuple[str, int]] = []
    kept = kept_of()
    [delivery] = kept.alert.deliveries

    async def work() -> None:
        hooks = [receiver.hook()]
        deliveries = Deliveries(
            Dialer(asyncio.get_running_loop()), lambda each: settled.append((delivery.status, delivery.attempts))
        )
        now_s = 1000.0
        for nth in range(4):
            deliveries.start_due([kept], hooks, now_s)
            await drained(deliveries)
            assert len(receiver.requests) == nth + 1
            if delivery.next_at is not None:
                pause_s = delivery.next_at.timestamp() - now_s
                assert PAUSES_S[nth] * 0.9 <= pause_s <= PAUSES_S[nth] * 1.1
                # Not a moment too early.
                deliveries.start_due([kept], hooks, now_s + pause_s - 0.01)
                assert not deliveries._under_way
                now_s += pause_s
        assert deliveries.sent == {"delivered": 1, "retried": 3, "failed": 0}

    run(work)
    assert settled == [("pending", 1), ("pending", 2), ("pending", 3), ("delivered", 4)]
    assert {received.header("x-microgate-delivery") for received in receiver.requests} == {"d1"}
    assert len({received.body for received in receiver.requests}) == 1
    assert delivery.error == ""


def test_it_is_given_up_after_an_hour(receiver: Receiver) -> None:
    receiver.statuses = [503] * 20
    kept = kept_of()
    [delivery] = kept.alert.deliveries

    async def work() -> None:
        deliveries = Deliveries(Dialer(asyncio.get_running_loop()), lambda _: None)
        now_s = 1000.0
        while delivery.status == "pending":
            deliveries.start_due([kept], [receiver.hook()], now_s)
            await drained(deliveries)
            now_s = delivery.next_at.timestamp() if delivery.next_at is not None else now_s
        assert 45 * 60 < now_s - 1000 < 75 * 60

    run(work)
    assert (delivery.status, delivery.attempts, delivery.error) == ("failed", 8, "it answered with status 503")
    assert receiver.served == 8


def test_one_webhook_that_hangs_holds_up_no_other(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [kept_of(number=1, hook="slow"), kept_of(number=2), kept_of(number=3)]
    late, _, last = (entry.alert.deliveries[0] for entry in entries)

    async def work() -> None:
        with Upstream(lambda _: [Act.HOLD]) as silent:
            hooks = [receiver.hook(name="slow", url=Secret(silent.url)), receiver.hook()]
            deliveries = Deliveries(Dialer(asyncio.get_running_loop()), lambda _: None)
            monkeypatch.setattr(module, "WITHIN_S", PATIENCE_S)
            async with asyncio.timeout(PATIENCE_S):
                while last.status == "pending":
                    deliveries.start_due(entries, hooks, 2000.0)
                    await asyncio.sleep(0.002)
            assert (last.status, late.attempts) == ("delivered", 0)
            await deliveries.close()
            # Alone, since this is a time that an answer may take as well on a busy machine.
            monkeypatch.setattr(module, "WITHIN_S", 0.3)
            deliveries = Deliveries(Dialer(asyncio.get_running_loop()), lambda _: None)
            deliveries.start_due(entries[:1], hooks, 2000.0)
            await drained(deliveries)
            assert (late.status, late.attempts, late.error) == ("pending", 1, "no answer within 0.3 s")
        assert [received.header("x-microgate-delivery") for received in receiver.requests] == ["d2", "d3"]

    run(work)


def test_it_is_not_told_that_an_alert_is_over_before_it_was_told_of_it(receiver: Receiver) -> None:
    receiver.statuses = [500]
    kept = kept_of()
    other = kept_of(number=2)
    kept.alert.deliveries.append(Delivery(id="d9", webhook="pager", event="resolved", next_at=at(1000.0)))

    async def work() -> None:
        deliveries = Deliveries(Dialer(asyncio.get_running_loop()), lambda _: None)
        for now_s in (1000.0, 1000.5, 1001.0, 1010.0, 1010.5):
            deliveries.start_due([kept, other], [receiver.hook()], now_s)
            await drained(deliveries)

    run(work)
    told = [received.header("x-microgate-delivery") for received in receiver.requests]
    # Other alerts do not wait for it.
    assert told == ["d1", "d2", "d1", "d9"]


def test_interim_answers_are_none(receiver: Receiver) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000

    async def work() -> None:
        with Upstream(lambda _: [interim + http(b"", 204)]) as hinting:
            kept = kept_of()
            hook = receiver.hook(url=Secret(hinting.url))
            sent = await send(Dialer(asyncio.get_running_loop()), hook, b"{}", kept.alert.deliveries[0])
            assert (sent.ok, sent.status) == (True, 204), sent.error

    run(work)


def test_a_webhook_that_is_gone_ends_its_deliveries(receiver: Receiver) -> None:
    async def work() -> None:
        kept = kept_of()
        Deliveries(Dialer(asyncio.get_running_loop()), lambda _: None).start_due([kept], [], 2000.0)
        assert kept.alert.deliveries[0].status == "failed"

    run(work)


@pytest.mark.parametrize(
    ("url", "private", "why"),
    [
        ("http://169.254.169.254/latest", True, "link-local"),
        ("https://[fe80::1]/", True, "link-local"),
        ("https://metadata.google.internal/x", True, "metadata"),
        ("http://127.0.0.1:{port}/", False, "plain http"),
        ("https://127.0.0.1:{port}/", False, "loopback"),
        ("https://user:word@x.example/", True, "not a plain"),
    ],
)
def test_it_goes_nowhere_that_is_forbidden(receiver: Receiver, url: str, private: bool, why: str) -> None:
    async def work() -> None:
        hook = receiver.hook(url=Secret(url.format(port=receiver.port)), allow_private=private)
        sent = await send(Dialer(asyncio.get_running_loop()), hook, b"{}", kept_of().alert.deliveries[0])
        assert (sent.ok, sent.status) == (False, 0)
        assert why in sent.error
        assert "token" not in sent.error

    run(work)
    assert receiver.visits == []


def test_a_name_that_leads_to_a_forbidden_address_is_refused(receiver: Receiver) -> None:
    """What the name says is judged first, and the address that it has then."""

    async def work() -> None:
        resolver = SimpleNamespace(cached=lambda host: ["127.0.0.1"])
        dialer = Dialer(asyncio.get_running_loop(), resolver=resolver)  # type: ignore[arg-type]
        hook = receiver.hook(url=Secret("https://hooks.example/"), allow_private=False)
        sent = await send(dialer, hook, b"{}", kept_of().alert.deliveries[0])
        assert sent.error == "no connection: forbidden"

    run(work)
    assert receiver.visits == []


# -- with the database, over a restart


class Life:
    """The alerting of one life of the control process, with what it reads laid out by the test."""

    def __init__(self, folder: Path, arena: Arena, rules: Rules) -> None:
        self.database = open_database(sqlite_url(str(folder / "control.db")))
        configuration: Any = SimpleNamespace(config=None, file_config=None, snapshot=Snapshot(1, 0, {}, {}))
        database: Any = SimpleNamespace(database=self.database, is_ready=True)
        made = alerting.Alerting(arena, Aggregates(), configuration, database, "one")
        self.alerting = made
        self.rules = rules

    def due(self, now_s: float) -> None:
        self.alerting.deliveries.start_due(self.alerting.book.every(), self.rules.webhooks, now_s)

    async def close(self) -> None:
        await self.alerting.deliveries.close()
        self.database.close()


def test_a_delivery_goes_on_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    upgrade(sqlite_url(str(tmp_path / "control.db")))
    arena = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)
    receiver.statuses = [500]
    rules = Rules(webhooks=(receiver.hook(),))

    async def work() -> None:
        first = Life(tmp_path, arena, rules)
        await first.alerting.load()
        finding = alerting.Finding("down", "provider_down", "provider/p", "critical", True, "Provider p is down")
        first.alerting.book.take([finding], rules, 1000.0)
        first.due(1000.0)
        await drained(first.alerting.deliveries)
        await first.alerting.save()
        await first.close()

        second = Life(tmp_path, arena, rules)
        await second.alerting.load()
        assert second.alerting.book.take([finding], rules, 1001.0) == []
        [alert] = second.alerting.active()
        [delivery] = alert.deliveries
        assert (delivery.status, delivery.attempts, delivery.error) == ("pending", 1, "it answered with status 500")
        second.due(1001.0)
        assert not second.alerting.deliveries._under_way
        second.due(1000.0 + 2 * PAUSES_S[0])
        await drained(second.alerting.deliveries)
        assert delivery.status == "delivered"
        for _ in range(2):
            second.alerting.book.take([finding._replace(holds=False)], rules, 1020.0)
        await second.alerting.save()
        await second.close()

        third = Life(tmp_path, arena, rules)
        await third.alerting.load()
        assert third.alerting.active() == []
        [alert] = third.alerting.recent()
        assert [(each.event, each.status) for each in alert.deliveries] == [
            ("raised", "delivered"),
            ("resolved", "pending"),
        ]
        await third.close()

    run(work)
    arena.close()
    assert len(receiver.requests) == 2
    assert len({received.header("x-microgate-delivery") for received in receiver.requests}) == 1


def test_a_row_of_another_version_is_left_alone(tmp_path: Path) -> None:
    upgrade(sqlite_url(str(tmp_path / "control.db")))
    arena = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)

    async def work() -> None:
        life = Life(tmp_path, arena, Rules())
        life.alerting._store.save([("x", 1, b'{"of": "later"}'), ("y", 2, msgspec.json.encode(kept_of()))])
        await life.alerting.load()
        assert [alert.id for alert in life.alerting.active()] == ["a1"]
        await life.close()

    run(work)
    arena.close()


def test_signatures_are_over_time_and_body() -> None:
    expected = hmac.new(b"s", b"12.body", hashlib.sha256).hexdigest()
    assert signature_of("s", b"body", 12) == f"t=12,v1={expected}"
