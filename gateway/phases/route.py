"""Where to: the model's name becomes an ordered list of targets, cut to what the virtual key may use."""

from __future__ import annotations

from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.objects import at_object, keep_to_place, worth_a_look
from gateway.routing.arrange import arrange
from gateway.routing.named import with_named
from gateway.routing.options import keep_to_pinned
from gateway.serving import Plan, Target, Upstream
from providers.operations import Dialect, Operation

PASSTHROUGH = int(Operation.PASSTHROUGH)
RESPONSES = int(Operation.RESPONSES)
ANTHROPIC = int(Dialect.ANTHROPIC)
GEMINI = int(Dialect.GEMINI)
STATEFUL_SEGMENTS = frozenset(
    {
        b"files", b"batches", b"responses", b"assistants", b"threads", b"vector_stores", b"fine_tuning", b"uploads",
        b"containers", b"conversations", b"evals", b"organization", b"videos", b"cachedContents", b"caches", b"skills",
        # Replicate, Runway, ElevenLabs, Deepgram.
        b"predictions", b"trainings", b"tasks", b"history", b"dubbing", b"convai", b"projects",
    }
)  # fmt: skip
"""Path segments under which providers keep objects of an account; tenants may not meet there."""


def route(x: Exchange) -> Response | None:
    """Fill ``x.targets``; refuse an unknown model, a forbidden one, or an object that is not the caller's."""
    entry = x.route
    principal = x.principal
    if entry is None or principal is None:
        return None
    view = x.view
    if x.operation == PASSTHROUGH:
        return passthrough(x)
    if entry.stateful:
        return at_object(x)
    resolution = view.resolve(x.model, entry.prefix)
    if resolution is None:
        near = ", ".join(view.candidates(x.model))
        hint = f" Did you mean: {near}?" if near else " No provider is configured."
        error = GatewayError("model_not_found", f"The model '{x.model[:128]}' is not known here.{hint}", param="model")
        return refuse(error, x.request_id.decode())
    choice = view.choice(principal.ruleset, resolution)
    if choice is None:
        return forbidden(x, f"This key may not use the model '{x.model[:128]}'.")
    x.resolution = resolution
    if x.fallbacks_start >= 0:
        found = with_named(x, choice)
        if isinstance(found, Response):
            return found
        choice = found
    x.targets = choice.targets if choice.plain else arrange(x, resolution, choice)
    if not x.targets:
        message = f"No target of '{x.model[:128]}' is meant for this request: every condition is false."
        return refuse(GatewayError("model_not_found", message, param="model"), x.request_id.decode())
    if x.pinned:
        refusal = keep_to_pinned(x)
        if refusal is not None:
            return refusal
    if x.stateful or ((x.operation == RESPONSES or x.dialect == ANTHROPIC or x.dialect == GEMINI) and worth_a_look(x)):
        return keep_to_place(x)
    return None


def passthrough(x: Exchange) -> Response | None:
    """``/passthrough/{provider}/rest``: the provider by name, the rest of the path as it stands."""
    entry = x.route
    principal = x.principal
    if entry is None or principal is None:
        return None
    name, _, rest = entry.rest.partition(b"/")
    upstream = x.view.upstreams.get(name.decode("ascii"))
    rules = x.view.rulesets[principal.ruleset]
    if upstream is None:
        error = GatewayError("not_found", f"No provider is called '{name.decode('ascii')[:64]}'.")
        return refuse(error, x.request_id.decode())
    if rules.providers and upstream.name not in rules.providers:
        return forbidden(x, f"This key may not use the provider '{upstream.name}'.")
    if rules.models:
        return forbidden(x, "A key that is restricted to certain models can't pass requests through.")
    x.targets = [Target(upstream, "", 1.0)]
    segments = frozenset(rest.split(b"/"))
    if x.stateful or not segments.isdisjoint(STATEFUL_SEGMENTS) or x.method in (b"DELETE", b"PUT", b"PATCH"):
        single = (segments == {b"responses"} and x.method == b"POST") or (
            segments == {b"v1", b"responses"} and x.method == b"POST"
        )
        if x.stateful or not single:
            refusal = keep_to_pin(x)
            if refusal is not None:
                return refusal
    return None


def keep_to_pin(x: Exchange) -> Response | None:
    """What is passed through may meet an object stored at a provider: only the pinned provider key may be asked."""
    found = pin_of(x)
    if found is None:
        return forbidden(x, NEEDS_PIN)
    upstream, index = found
    kept = [target for target in x.targets or () if target.upstream is upstream]
    if not kept:
        return forbidden(x, f"This key is pinned to the provider '{upstream.name}'.")
    target = Target(upstream, kept[0].model, 1.0)
    target.mask = 1 << index
    x.targets = [target]
    return None


NEEDS_PIN = (
    "Passing through to objects stored at a provider needs a key with 'stateful: PROVIDER/KEY' in its configuration."
)


def pin_of(x: Exchange) -> tuple[Upstream, int] | None:
    principal = x.principal
    if principal is None or principal.pin == 0:
        return None
    for upstream in x.view.upstreams.values():
        if principal.pin in upstream.key_hashes:
            return upstream, upstream.key_hashes.index(principal.pin)
    return None


def forbidden(x: Exchange, message: str) -> Response:
    return refuse(GatewayError("forbidden", message), x.request_id.decode())


def relayed_path(x: Exchange, upstream: Upstream) -> str:
    """Path under the provider's base URL for a passed-through or stateful request, query included."""
    entry = x.route
    if entry is None:
        return "/"
    if x.operation == PASSTHROUGH:
        path = "/" + entry.rest.partition(b"/")[2].decode("ascii")
    else:
        plan = upstream.plans.get(x.operation)
        if plan is not None and plan.operation == x.operation:
            base = plan.path
        else:
            base = entry.original.removeprefix("/openai").removeprefix("/v1").removesuffix("/*")
        path = f"{base}/{entry.rest.decode('ascii')}" if entry.rest else base
    return path


__all__ = ["Plan", "forbidden", "relayed_path", "route"]
