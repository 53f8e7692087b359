"""What the gateway answers itself: health, models, where a request would go, and the way to the control process."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import unquote

import orjson

from gateway.admin_door import FOREIGN_HOST, FRONT, Knock, is_ours, lets_in, visits
from gateway.catalogue import Catalogue, Facts, members
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.model_names import matches
from gateway.phases.authenticate import authenticate, credential_of
from gateway.server.forwarded import UNKNOWN, is_loopback, known_source, names_a_client, packed
from gateway.server.routes import METRICS
from gateway.serving import Target, View
from gateway.snapshot.model import Ruleset
from providers.operations import Dialect, Operation

LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
_FIELDS = [re.compile(rb"(?i)\n%b:[ \t]*([^\r\n]*)" % name) for name in (b"cookie", b"origin", b"host")]
_ACCEPT = re.compile(rb"(?i)\naccept:[ \t]*([^\r\n]*)")
PAGES_KEPT = 64
"""Lists of models, one for each set of rules that asked; then the oldest goes. A long one has half a megabyte."""


def serve(x: Exchange) -> Response | None:
    """The answer; None when it comes from somebody else: the control process, a realtime session."""
    if x.operation == int(Operation.MODELS):
        return models(x)
    if x.operation == int(Operation.ADMIN):
        return ask_control(x)
    if x.operation == int(Operation.ROUTE):
        from gateway.routing import explain

        return explain.serve(x)
    if x.operation == int(Operation.USAGE):
        from gateway import usage

        return usage.serve(x)
    if x.operation == int(Operation.REALTIME):
        from gateway.realtime.opening import begin

        return begin(x)
    if x.path == b"/readyz":
        return ready(x)
    if x.path == b"/" and is_visitor(x):
        return Response(303, b"", b"text/plain", headers=b"location: " + FRONT + b"\r\n")
    return Response(200, b'{"status":"alive"}')


def ready(x: Exchange) -> Response:
    core = x.core
    body = {
        "status": "ready" if core.ready and not core.draining and not core.not_ready_why else "degraded",
        "worker": core.worker,
        "snapshot": core.view.version,
    }
    if core.draining:
        body["reason"] = "draining"
    elif core.not_ready_why:
        body["reason"] = core.not_ready_why
    # Degraded and able to serve (control is away, say) is no reason to be taken out of service.
    return Response(200 if core.ready and not core.draining else 503, orjson.dumps(body))


def unauthorized(x: Exchange) -> Response:
    """For paths that do not exist, told to callers without a credential: nothing is revealed about which do."""
    response = refuse(GatewayError("unauthorized", "Send a virtual key."), x.request_id.decode())
    response.headers = b"www-authenticate: Bearer\r\n"
    return response


def is_visitor(x: Exchange) -> bool:
    """Whether a browser is at the bare address of a port that serves the web interface."""
    core = x.core
    settings = core.view.snapshot.settings
    if settings.admin_listen:
        return False
    knock = knock_of(x, credential_of(core.request_head) or b"")
    return visits(knock, b",".join(_ACCEPT.findall(x.head)), (*settings.admin_hosts, core.own_host))


def authenticate_operator(x: Exchange) -> Response | None:
    """Admin paths take what operators present (``gateway/admin_door.py``); metrics take loopback or the metrics
    token. Under a foreign name nobody is answered, but for who has the metrics token."""
    core = x.core
    settings = core.view.snapshot.settings
    if settings.admin_listen:
        # They have an address of their own: here is no such path.
        return authenticate(x) or refuse(
            GatewayError("not_found", "Administration has an address of its own."), x.request_id.decode()
        )
    credential = credential_of(core.request_head)
    entry = x.route
    knock = knock_of(x, credential or b"")
    if entry is not None and entry.audience == METRICS:
        expected = settings.metrics_token_sha256
        if expected and credential and hmac.compare_digest(sha256(credential).hexdigest(), expected):
            return None
        may = is_local(x)
    else:
        may = lets_in(knock, core.admin_token, core.view.snapshot.pepper)
    if not may:
        return unauthorized(x)
    if not is_ours(knock.host, (*settings.admin_hosts, core.own_host)):
        return refuse(GatewayError("misdirected", FOREIGN_HOST), x.request_id.decode())
    wait_s = core.knocking.wait_s(knock.path, source_of(x))
    if wait_s:
        error = GatewayError("rate_limited", "Too many requests before a log-in: wait.", retry=True, retry_after=wait_s)
        return refuse(error, x.request_id.decode())
    return None


def knock_of(x: Exchange, credential: bytes) -> Knock:
    """The head last scanned must be this request's."""
    scan = x.core.request_head
    length = -1 if scan.transfer_encoding is not None else max(0, scan.content_length)
    cookie, origin, host = (b"; ".join(field.findall(x.head)) for field in _FIELDS)
    return Knock(x.method, x.path, credential, cookie, origin, host, length)


def source_of(x: Exchange) -> bytes:
    """Whose log-ins are counted together; empty where that is not known."""
    peer = packed("" if x.caller is None else x.caller.peer())
    source = known_source(x.client, peer, x.head, x.core.forwarded)
    return b"" if source == UNKNOWN else source


def is_local(x: Exchange) -> bool:
    """Whether the request was made on this machine. One that a proxy here passes on was not, unless the proxy is a
    trusted one and says so."""
    peer = "" if x.caller is None else x.caller.peer()
    if peer == "unix":
        return True
    if not is_loopback(x.client):
        return False
    forwarded = x.core.forwarded
    return not names_a_client(x.core.request_head) or (forwarded is not None and forwarded.trusts(packed(peer)))


def ask_control(x: Exchange) -> Response | None:
    """Relay to the control process with the code that relays to providers."""
    control = x.core.control
    if control is None:
        return refuse(
            GatewayError("overloaded", "The control process is not running.", source="gateway"), x.request_id.decode()
        )
    x.targets = [Target(control, "", 1.0)]
    x.attempts.begin(x)
    return None


def models(x: Exchange) -> Response:
    """``/v1/models`` from the snapshot: what this key may use, and one model by its id."""
    if x.dialect > LAST_OF_OPENAI:
        from gateway import model_pages

        return model_pages.serve(x)
    entry = x.route
    view = x.view
    ruleset = 0 if x.principal is None else x.principal.ruleset
    if entry is None or not entry.rest:
        page = view.model_pages.get(ruleset)
        if page is None:
            if len(view.model_pages) >= PAGES_KEPT:
                del view.model_pages[next(iter(view.model_pages))]
            page = view.model_pages[ruleset] = list_page(view, ruleset)
        return Response(200, page)
    wanted = unquote(entry.rest.decode("ascii", "replace"))
    for name, owner in allowed_models(view, ruleset):
        if name == wanted:
            facts = facts_of(Catalogue(view), view.rulesets[ruleset], name, owner)
            return Response(200, orjson.dumps(model_object(view, name, owner, facts)))
    error = GatewayError("model_not_found", f"The model '{wanted[:128]}' is not known here.", param="model")
    return refuse(error, x.request_id.decode())


def list_page(view: View, ruleset: int) -> bytes:
    """Routes, declared models and those that providers list themselves, cut to what the ruleset allows."""
    known = Catalogue(view)
    rules = view.rulesets[ruleset]
    entries = (
        orjson.dumps(model_object(view, name, owner, facts_of(known, rules, name, owner)))
        for name, owner in allowed_models(view, ruleset)
    )
    return b'{"object":"list","data":[' + b",".join(entries) + b"]}"


def model_object(view: View, name: str, owner: str, facts: Facts) -> dict[str, object]:
    """In the form of OpenAI's list, with the members that OpenRouter adds."""
    created = view.snapshot.created_ns // 1_000_000_000
    return {"id": name, "object": "model", "created": created, "owned_by": owner, **members(facts)}


def facts_of(known: Catalogue, rules: Ruleset, name: str, owner: str) -> Facts:
    """What is known of an allowed model; of a route, what is known of the first target that the rules allow."""
    if owner == "microgate" and name in known.view.routes:
        return known.of_route(name, rules.providers)
    return known.of_provider(owner, name[len(owner) + 1 :])


def allowed_models(view: View, ruleset: int) -> Iterator[tuple[str, str]]:
    """Names as callers write them, each with its owner."""
    rules = view.rulesets[ruleset]
    for name in view.routes:
        if not rules.models or matches(rules.models, name):
            yield name, "microgate"
    for provider, upstream in view.upstreams.items():
        if rules.providers and provider not in rules.providers:
            continue
        listed = view.snapshot.listed.get(provider, ())
        for model in dict.fromkeys((*upstream.spec.models, *upstream.spec.aliases, *listed)):
            name = f"{provider}/{model}"
            if not rules.models or matches(rules.models, name):
                yield name, provider
