"""Handlers under /api/alerts."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, get, post
from litestar.params import Parameter

from gateway.alerts.alert import Alert
from gateway.config.alerts import AlertKind, AlertLevel, WebhookEntry
from gateway.control.alerting import Alerting
from gateway.control.callers import caller_of
from gateway.control.state import ControlState
from gateway.stores.entities import Change


class WebhookShown(msgspec.Struct, kw_only=True):
    """A webhook in force; where it leads is told as far as its host, since the rest may be a secret."""

    name: str
    host: str
    kinds: list[AlertKind]
    """Empty: all."""
    levels: list[AlertLevel]
    enabled: bool


class Alerts(msgspec.Struct):
    active: list[Alert]
    """Raised and not over, newest first; 1,000 at most."""
    recent: list[Alert]
    """Over; the last 100."""
    webhooks: list[WebhookShown]


class WebhookTest(msgspec.Struct):
    """What came of a test."""

    ok: bool
    status: int
    """Of the answer; 0: there was none."""
    took_ms: float
    message: str
    """Why it failed; empty when it did not."""


@get("/alerts", summary="What operators are told of")
async def alerts(request: Request[Any, Any, Any]) -> Alerts:
    alerting = _alerting(request)
    return Alerts(list(alerting.active()), list(alerting.recent()), list(map(_shown, alerting.rules.webhooks)))


@post(
    "/alerts/test/{webhook:str}",
    status_code=200,
    operation_id="test_webhook",
    summary="Send an alert that is none to a webhook",
)
async def test(request: Request[Any, Any, Any], webhook: Annotated[str, Parameter(max_length=128)]) -> WebhookTest:
    state: ControlState = request.app.state.control
    sent = await state.alerting.test(webhook)
    said = msgspec.json.encode({"ok": sent.ok, "status": sent.status})
    change = Change(actor=caller_of(request).actor, action="test_webhook", after=said)
    await asyncio.to_thread(state.database.config.note, change, "webhook", "", webhook)
    return WebhookTest(sent.ok, sent.status, sent.took_ms, sent.error)


def _alerting(request: Request[Any, Any, Any]) -> Alerting:
    state: ControlState = request.app.state.control
    return state.alerting


def _shown(hook: WebhookEntry) -> WebhookShown:
    host = urlsplit(hook.url.reveal()).hostname or ""
    return WebhookShown(name=hook.name, host=host, kinds=hook.kinds, levels=hook.levels, enabled=hook.enabled)


ALERTS_HANDLERS = (alerts, test)
