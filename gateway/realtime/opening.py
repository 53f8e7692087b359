"""From a caller's handshake to a session: who may, where to, and a provider that accepts.

A provider is asked before the caller is answered, so that its refusal, or a failure to reach it, is an ordinary answer
of HTTP. Where the first message names the model (Gemini Live) the caller has to be accepted first: then a refusal is a
Close with a reason.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from _speedups._bytes import monotonic_ns
from _speedups._head import HeadScan
from gateway.core import Core
from gateway.credentials.keys import WAITING
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.admit import admit
from gateway.phases.authenticate import credential_of
from gateway.phases.forward import Forward
from gateway.phases.intent import intend
from gateway.phases.metering import give_back, reserve_there
from gateway.phases.route import route
from gateway.phases.settle import settle
from gateway.phases.verdict import error_kind_of, judged
from gateway.pipeline import HOOKS
from gateway.realtime import handshake
from gateway.realtime.handshake import Offer
from gateway.realtime.session import Session
from gateway.realtime.upgrade import Upgrade
from gateway.records import ErrorKind, Flags, Outcome
from gateway.upstream.connection import UpstreamConnection
from providers.operations import Dialect, Operation
from providers.realtime import FORMS, family, setup_of, with_model

REALTIME = int(Operation.REALTIME)
MODEL_BYTES = 512
"""Longest model name taken, as in a body."""
NAMES = {int(dialect): dialect.name.lower() for dialect in Dialect}
NOT_OFFERED = ("call_id", "intent")
"""Parameters of OpenAI's that would change what a session is, or belong to one account."""


def begin(x: Exchange) -> Response | None:
    """Turn the caller away, or start asking on its behalf."""
    offer = handshake.judge(x)
    if isinstance(offer, Response):
        return offer
    # Frames may stand behind the request already: whatever is answered, the next bytes are no request.
    x.keep_alive = False
    if x.core.draining:
        return _refused(x, GatewayError("overloaded", "The gateway is restarting.", source="gateway", retry=True))
    form = FORMS[family(NAMES[x.dialect])]
    refusal = None if form.model_first else name_model(x)
    if refusal is None and not form.model_first:
        refusal = destination(x)
    if refusal is None:
        refusal = admit(x)
    if refusal is not None:
        return refusal
    opening = Opening(x.core, offer)
    x.attempts = opening
    if form.model_first:
        # Not at once: the reader of the request has bytes of the caller's in its hands.
        x.core.loop.call_soon(opening.accept_first, x)
    else:
        opening.begin(x)
    return None


def _refused(x: Exchange, error: GatewayError) -> Response:
    return refuse(error, x.request_id.decode())


def name_model(x: Exchange) -> Response | None:
    """The model out of the address: ``?model=``, or Azure's ``?deployment=``."""
    pairs = handshake.query_of(x)
    for name, _ in pairs:
        if name in NOT_OFFERED:
            error = GatewayError("unsupported_operation", f"The parameter '{name}' is not offered here.", param=name)
            return _refused(x, error)
    named = [(name, value) for name, value in pairs if name in ("model", "deployment")]
    if len(named) != 1 or not named[0][1]:
        message = "Name the model of the session once, as '?model=' (or Azure's '?deployment=')."
        return _refused(x, GatewayError("bad_request", message, param="model"))
    entry = x.route
    if named[0][0] == "deployment" and entry is not None:
        x.route = entry.at(b"")
        x.route.prefix = "azure"
    return take_name(x, named[0][1])


def take_name(x: Exchange, name: str) -> Response | None:
    if not name.isprintable() or "\ufffd" in name or name.startswith("/"):
        return _refused(x, GatewayError("bad_request", "The model's name is not usable.", param="model"))
    if len(name) > MODEL_BYTES:
        return _refused(x, GatewayError("bad_request", "The model's name is too long.", param="model"))
    x.model = name
    for hook in HOOKS["parsed"]:
        hook(x)
    return None


def destination(x: Exchange) -> Response | None:
    """Fill ``x.targets`` with those that speak the caller's form; there is no translation between forms."""
    refusal = route(x)
    if refusal is not None:
        return refusal
    form = family(NAMES[x.dialect])
    offered = [target for target in x.targets or () if speaks(target.upstream, form)]
    if offered:
        x.targets = offered
        for hook in HOOKS["routed"]:
            hook(x)
        return None
    rules = x.view.rulesets[0 if x.principal is None else x.principal.ruleset]
    others = [
        name
        for name, upstream in x.view.upstreams.items()
        if speaks(upstream, form) and (not rules.providers or name in rules.providers)
    ]
    names = ", ".join(sorted({target.upstream.name for target in x.targets or ()}))
    would = f"These do: {', '.join(others)}." if others else "No provider configured here does."
    style = "Google's" if form == "gemini" else "OpenAI's"
    message = f"The model's provider ({names}) offers no realtime sessions in {style} form. {would}"
    return _refused(x, GatewayError("unsupported_operation", message, param="model"))


def speaks(upstream: Any, form: str) -> bool:
    plan = upstream.plans.get(REALTIME)
    return plan is not None and family(NAMES[plan.dialect]) == form


def admit_anew(x: Exchange) -> Response | None:
    """What a session may cost depends on its model, which nobody knew at the handshake."""
    give_back(x)
    return admit(x)


class Opening(Forward):
    """The attempts of one session; afterwards it is only who is told that the caller has gone."""

    def __init__(self, core: Core, offer: Offer) -> None:
        Forward.__init__(self, core)
        self.told = core.attempts.told
        self.budget = core.attempts.budget
        self.offer = offer
        self.upgrade: Upgrade | None = None
        self.asking: Exchange | None = None
        self.session: Session | None = None
        self.first: Any = None
        self.busy = False
        """Nothing is taken from the caller until there is a provider."""

    # --- towards the provider

    def ask(self, x: Exchange) -> None:
        """Choose a target and a key, and wait for a connection that has served nobody."""
        now_ns = monotonic_ns()
        ready_ns = -1
        used_up: tuple[Any, int, int] | None = None
        full = False
        why = ""
        targets = x.targets or []
        while x.target_index < len(targets):
            target = targets[x.target_index]
            upstream = target.upstream
            if upstream.pool.full() and not upstream.pool.idle:
                # What holds its connections may be sessions, which last too long to be waited for.
                full = True
                x.target_index += 1
                x.tried_keys = 0
                continue
            mask = target.mask & ~x.tried_keys
            if upstream.credentials is None:
                key = upstream.keys.choose(mask, now_ns)
            else:
                key = upstream.credentials.choose(x, mask, now_ns)
                if key == WAITING:
                    return
            if key < 0:
                if upstream.credentials is not None:
                    why = why or upstream.credentials.why(target.mask)
                ready = upstream.keys.next_ready_ns(target.mask, now_ns)
                if ready >= 0 and (ready_ns < 0 or ready < ready_ns):
                    ready_ns = ready
                x.target_index += 1
                x.tried_keys = 0
                continue
            refusal = reserve_there(x, target, now_ns)
            if refusal < 0:
                used_up = used_up or (target, refusal, now_ns)
                x.target_index += 1
                x.tried_keys = 0
                continue
            if x.target_index > 0:
                x.flags |= int(Flags.FALLBACK)
            x.target = target
            x.plan = upstream.plans[REALTIME]
            x.key = key
            x.tried_keys |= 1 << key
            x.attempt += 1
            x.reckoned = False
            x.asked_ns = now_ns
            upstream.pool.wait(x, True)
            return
        if used_up is not None:
            self.spent(x, *used_up)
        elif why:
            self.uncredentialed(x, why)
        elif full and ready_ns < 0:
            message = "Every connection that the provider may have is in use."
            self.give_up(x, GatewayError("overloaded", message, source="gateway", retry=True, retry_after=1))
        else:
            self.nowhere(x, None, ready_ns, now_ns)

    def connected(self, x: Exchange, link: Any) -> None:
        try:
            if x.ended or x.target is None:
                link.close()
                return
            self.send_handshake(x, link)
        except Exception as error:
            self.core.fault(x, error)

    def send_handshake(self, x: Exchange, link: UpstreamConnection) -> None:
        target, plan = x.target, x.plan
        if target is None or plan is None:
            return
        upstream = target.upstream
        path, _, query = plan.path.replace("{model}", quote(target.model, safe="")).partition("?")
        fields = self.core.filter_for(x.dialect).copy(x.head)
        if upstream.forward_filter is not None:
            fields += upstream.forward_filter.copy(x.head)
        key = handshake.nonce()
        request = upstream.head(b"GET", path, x.key, query.encode()) + fields
        request += handshake.asking(key, self.offer.protocols)
        if upstream.credentials is not None:
            request = upstream.credentials.signed(x.key, request)
        x.request_bytes = len(request)
        x.sent_ns = monotonic_ns()
        x.dial_ns += x.sent_ns - x.asked_ns
        if x.reservation >= 0 or x.there >= 0:
            intend(x)
        self.asking = x
        self.upgrade = Upgrade(self.core, self, link, key, self.offer.protocols)
        self.upgrade.ask(request, upstream.first_byte_ns)

    def answered(self) -> Exchange | None:
        """The exchange that was asked for, which is told of the answer."""
        x, self.asking = self.asking, None
        self.upgrade = None
        return None if x is None or x.ended else x

    def accepted(self, upgrade: Upgrade, protocol: str) -> None:
        x = self.answered()
        if x is None or (self.core.draining and self.session is None):
            upgrade.end()
            if x is not None:
                self.drain_cut(x)
            return
        x.first_byte_ns = monotonic_ns()
        x.status = 101
        try:
            session = self.session
            self.busy = True
            if session is None:
                session = self.session = self.new_session(x)
                session.open_caller(self.offer.key, protocol)
                session.open_upstream(upgrade)
            else:
                model = "" if x.target is None else x.target.model
                session.open_upstream(upgrade, with_model(self.first, model))
            self.first = None
        except Exception as error:
            upgrade.cancel()
            self.core.fault(x, error)

    def refused(self, upgrade: Upgrade, status: int, head: bytes, body: bytes) -> None:
        x = self.answered()
        if x is None:
            return
        try:
            scan = HeadScan()
            scan.response(head)
            x.status = status
            x.answer_head = head
            x.answer_media = scan.media
            x.answer_encoding = scan.content_encoding or b""
            x.answer_length = -1
            x.first_byte_ns = x.last_byte_ns = monotonic_ns()
            if status < 400:
                self.failed(x, int(ErrorKind.PROTOCOL), "The provider did not accept the WebSocket.", True)
            elif self.session is None:
                self.judge(x, body)
            else:
                self.refused_late(x, self.session, status, head, body)
        except Exception as error:
            self.core.fault(x, error)

    def refused_late(self, x: Exchange, session: Session, status: int, head: bytes, body: bytes) -> None:
        """The caller has been accepted: what the provider says becomes a Close."""
        found = judged(status, head, body)
        kind = error_kind_of(status, found.reason)
        self.put_away(x, status, found)
        if self.again(x, status, kind, found):
            return
        x.error_kind = int(kind)
        x.response_bytes += len(body)
        x.sent_status = 101
        settle(x, int(Outcome.UPSTREAM_ERROR))
        named = {429: "rate_limited", 404: "not_found", 503: "overloaded"}
        error = GatewayError(named.get(status, "upstream"), words_of(body) or f"The provider answered {status}.")
        session.refused(Response(status, b"", error=error))

    def no_answer(self, upgrade: Upgrade, kind: int, message: str) -> None:
        x = self.answered()
        if x is None:
            return
        try:
            self.failed(x, kind, message, False)
        except Exception as error:
            self.core.fault(x, error)

    # --- a first message that names the model

    def new_session(self, x: Exchange) -> Session:
        scan = HeadScan()
        scan.request(x.head)
        credential = credential_of(scan) or handshake.credential_of(x) or b""
        return Session(self.core, x, self, FORMS[family(NAMES[x.dialect])](), credential)

    def accept_first(self, x: Exchange) -> None:
        if x.ended or x.caller is None:
            return
        try:
            self.session = self.new_session(x)
            self.session.open_caller(self.offer.key, "")
        except Exception as error:
            self.core.fault(x, error)

    def named(self, x: Exchange, session: Session, data: bytes) -> None:
        """The first message of a session that was accepted without knowing where it leads."""
        self.busy = True
        setup = setup_of(data)
        refusal: Response | None
        if setup is None:
            refusal = _refused(x, GatewayError("bad_request", "The first message has to be 'setup' and name a model."))
        else:
            self.first, name = setup
            refusal = take_name(x, name) or destination(x) or admit_anew(x)
        if refusal is not None:
            self.core.end_locally(x, refusal)
        else:
            self.begin(x)

    # --- giving up

    def cancel(self) -> None:
        """Nobody waits for the provider any more."""
        upgrade, self.upgrade = self.upgrade, None
        self.asking = None
        if upgrade is not None:
            upgrade.cancel()

    def caller_gone(self, x: Exchange) -> None:
        self.cancel()
        Forward.caller_gone(self, x)

    def drain_cut(self, x: Exchange) -> None:
        self.cancel()
        waiting, x.waiting = x.waiting, None
        if waiting is not None:
            if hasattr(waiting, "forget"):
                waiting.forget(x)
            else:
                waiting.cancel()
        Forward.drain_cut(self, x)


def words_of(body: bytes) -> str:
    """The message of an error in any of the usual forms."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    error = value.get("error", value) if isinstance(value, dict) else None
    words = error.get("message") if isinstance(error, dict) else error
    return words if isinstance(words, str) else ""
