"""What callers may say about the way of a request, in ``x-microgate-`` header fields: which provider, which session,
and how long it may take.

They choose among what their virtual key and the route allow; a name that is not among these is refused.
"""

from __future__ import annotations

from _speedups._head import HeadScan
from gateway.cache.wish import take_nothing, take_wish
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.records import Flags
from gateway.routing.deadline import TIMEOUT, take_timeout
from gateway.routing.trail import FIELD, Trail
from gateway.serving import Target

PROVIDER = b"x-microgate-provider"
SESSION = b"x-microgate-session"
EXPLAIN = FIELD.encode()
MOST_SESSION_BYTES = 256
LOG = b"x-microgate-log"
LESS = {b"off": int(Flags.UNLOGGED), b"metadata": int(Flags.CONTENT_DECLINED)}


def take_options(x: Exchange, scan: HeadScan) -> Response | None:
    """Read them from the head that ``scan`` has just judged; a refusal of what can't be meant.

    ``x-microgate-session``: requests that name the same one go to the same target and key while these are well.
    ``x-microgate-provider: NAME`` or ``NAME/KEY``: no other provider, or key, is asked.
    ``x-microgate-explain: 1``: the answer tells which way the request went.
    ``x-microgate-timeout: TIME``: nothing is done for the request after so long.
    ``x-microgate-log: off`` or ``metadata``: the request log keeps no more of it.
    ``x-microgate-cache``, ``-ttl`` and ``-scope``: ``gateway.cache.wish``.
    """
    session = scan.value_of(SESSION)
    if session:
        x.session = session[:MOST_SESSION_BYTES]
    pinned = scan.value_of(PROVIDER)
    if pinned:
        x.pinned = pinned
    if scan.value_of(EXPLAIN) == b"1":
        if x.trail is None:
            x.trail = Trail(True)
        x.trail.asked = True
    logged = scan.value_of(LOG)
    if logged is not None:
        less = LESS.get(logged.strip().lower())
        if less is None:
            said = logged[:32].decode("latin-1")
            message = f"{LOG.decode()} is to be off or metadata, not '{said}'."
            return refuse(GatewayError("bad_request", message, param=LOG.decode()), x.request_id.decode())
        x.flags |= less
    timeout = scan.value_of(TIMEOUT)
    if timeout is not None:
        refusal = take_timeout(x, timeout)
        if refusal is not None:
            return refusal
    return take_nothing(x, scan) if x.core.cache is None else take_wish(x, scan)


def keep_to_pinned(x: Exchange) -> Response | None:
    """Of ``x.targets`` only those of the provider, and with the key, that the caller names."""
    name, _, key = x.pinned.decode("utf-8", "replace").partition("/")
    kept = [target for target in x.targets or () if target.upstream.name == name]
    if not kept:
        offered = ", ".join(dict.fromkeys(target.upstream.name for target in x.targets or ()))
        return bad(x, f"The provider '{name[:64]}' is no target of this model for this key; there is: {offered}.")
    if key:
        kept = [with_key(target, key) for target in kept if key in key_names(target)]
        if not kept:
            return bad(x, f"The provider '{name}' has no key called '{key[:64]}'.")
    x.targets = kept
    x.regardless = x.regardless or len(kept) == 1
    return None


def key_names(target: Target) -> list[str]:
    return [spec.name for spec in target.upstream.key_specs]


def with_key(target: Target, key: str) -> Target:
    """``target``, to be asked with this one key if it may serve the model at all."""
    made = Target(target.upstream, target.model, target.weight)
    made.mask = target.mask & 1 << key_names(target).index(key)
    return made


def bad(x: Exchange, message: str) -> Response:
    return refuse(GatewayError("bad_request", message, param=PROVIDER.decode()), x.request_id.decode())
