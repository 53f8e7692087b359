"""``x-microgate-cache: explain``: what the cache would say of a request, in place of its answer.

It is the request itself that is asked about: it has gone the way of every other one as far as the look-up (who asks,
where its model leads, what its limits say), and its key is made by what makes all keys. No provider is asked but the
one that embeds, nothing is counted, nothing is kept. What was answered is not told: whoever may know it asks for it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import orjson

from _speedups._bytes import realtime_ns
from gateway.cache.asked import RULES, canonical_for
from gateway.cache.entry import Kept, unpack
from gateway.cache.wish import LEVELS, READ, WRITE
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.records import CacheVerdict
from gateway.relay import SPELLED
from providers.operations import Dialect, Operation

if TYPE_CHECKING:
    from gateway.cache.answers import Answers
    from gateway.principal import Principal

NOT_SUCH = "answers to such requests are not kept"
MOST_FORM_BYTES = 32 << 10
"""Of the canonical form that are shown."""
BYPASS, MISS, HIT, SIMILAR, JOINED = (
    SPELLED[verdict].decode()
    for verdict in (
        CacheVerdict.BYPASS,
        CacheVerdict.MISS,
        CacheVerdict.HIT,
        CacheVerdict.SIMILAR,
        CacheVerdict.SHARED,
    )
)


def explain(answers: Answers, x: Exchange) -> Response | Awaitable[Response | None]:
    """The answer to a caller who may know: the operator lets them, as with ``x-microgate-explain``."""
    x.cache_verdict = int(CacheVerdict.BYPASS)
    x.cost = 0
    x.reckoned = True
    if not x.view.snapshot.settings.explain:
        return refuse(GatewayError("forbidden", "The operator does not tell how requests fare."), x.request_id.decode())
    if x.wish.level > answers.level:
        return answers.too_wide(x)
    return answer(answers, x)


async def answer(answers: Answers, x: Exchange) -> Response:
    return Response(200, orjson.dumps(await explanation(answers, x)), spoken=True)


async def explanation(answers: Answers, x: Exchange) -> dict[str, Any]:
    told: dict[str, Any] = {
        "object": "cache.explanation",
        "verdict": BYPASS,
        "because": None,
        "model": x.model,
        "operation": Operation(x.operation).name.lower(),
        "dialect": Dialect(x.dialect).name.lower(),
        "stream": bool(x.stream),
        "read": False,
        "write": False,
        "key": None,
        "exact": None,
        "under_way": False,
        "similar": None,
    }
    principal = x.principal
    if principal is None or canonical_for(x.dialect, x.operation) is None:
        told["because"] = NOT_SUCH
        return told
    policy = answers.policies.get(principal.ruleset, 0)
    told["read"], told["write"] = policy & READ != 0, policy & WRITE != 0
    if not policy:
        told["because"] = "the virtual key does without the cache"
        return told
    key = answers.key_of(x, principal)
    if key is None:
        told["because"] = why_not(x)
        return told
    told["key"] = shape(answers, x, principal, key)
    told["verdict"] = MISS
    if not policy & READ:
        told["because"] = "the virtual key's answers are kept, and not told again"
        return told
    found = await kept_under(answers, key)
    if found is not None:
        told["exact"] = exact = facts(x, found)
        if exact["usable"]:
            told["verdict"] = HIT
            return told
    if answers.similar is not None:
        # Questions of others are not shown, although their answers may be told.
        told["similar"] = similar = await answers.similar.explain(x, key, told["key"]["shared_by"] == "key")
        if similar["hit"]:
            told["verdict"] = SIMILAR
            return told
    if answers.coalesce and key in answers.flights.under_way:
        told["under_way"] = True
        told["verdict"] = JOINED
    return told


def why_not(x: Exchange) -> str:
    """What keeps a request of this kind from having a key."""
    canonical, rule, entry = canonical_for(x.dialect, x.operation), RULES[x.dialect, x.operation], x.route
    if canonical is None or x.multipart or entry is None or entry.below:
        return NOT_SUCH
    if canonical.digest(b"", x.body) is None:
        return "the body has no canonical form: it is nested too deeply, or has too many members"
    body = orjson.loads(x.body)
    for name, reason in rule.bar.items():
        if body.get(name):
            return f"{name}: {reason}"
    if canonical.provider_tools:
        return "tools: the provider runs one of them"
    if x.stateful or x.uploading:
        return "it names what a provider keeps, or is too large to be held"
    if rule.stored and canonical.store != 0:
        return "store: the provider keeps the answer unless this is false"
    return NOT_SUCH


def shape(answers: Answers, x: Exchange, principal: Principal, key: bytes) -> dict[str, Any]:
    """What makes the key."""
    wish = x.wish
    level = answers.level if wish.level < 0 else wish.level
    canonical = canonical_for(x.dialect, x.operation)
    form = None if canonical is None else canonical.form(x.body)
    targets = sorted({f"{target.upstream.name}/{target.model}" for target in x.targets or ()})
    return {
        "scope": key[:16].hex(),
        "digest": key[16:].hex(),
        "shared_by": shared_by(level, principal),
        "partition": wish.partition.decode("latin-1") or None,
        "leads_to": targets,
        "form": None if form is None else form[:MOST_FORM_BYTES].decode("utf-8", "replace"),
        "form_bytes": None if form is None else len(form),
    }


def shared_by(level: int, principal: Principal) -> str:
    """A key without a team shares with nobody where teams do, and likewise for customers."""
    if (level == LEVELS.index(b"team") and not principal.team) or (
        level == LEVELS.index(b"customer") and not principal.customer
    ):
        level = LEVELS.index(b"key")
    return LEVELS[level].decode()


async def kept_under(answers: Answers, key: bytes) -> Kept | None:
    """The answer that is kept, whatever its age."""
    if answers.reader is not None:
        data = answers.reader.get(key)
    else:
        try:
            data = await answers.asking.ask("get", key)
        except Exception:
            # As for any look-up: a store that can't be asked is a miss.
            data = None
    return unpack(data) if data else None


def facts(x: Exchange, kept: Kept) -> dict[str, Any]:
    """What is known about an answer."""
    age_ns = max(0, realtime_ns() - kept.created_ns)
    labels = dict(line.split(": ", 1) for line in kept.labels.decode("latin-1").split("\r\n") if ": " in line)
    usable, because = True, None
    if x.wish.ttl_ns and age_ns > x.wish.ttl_ns:
        usable, because = False, "older than the caller wants"
    elif not x.core.cache.cross and (kept.dialect != x.dialect or kept.streamed != x.stream):
        usable, because = False, "kept in another form"
    return {
        "usable": usable,
        "because": because,
        "age_s": round(age_ns / 1e9, 3),
        "body_bytes": len(kept.body),
        "provider": labels.get("x-microgate-provider"),
        "model": labels.get("x-microgate-model"),
        "dialect": Dialect(kept.dialect).name.lower(),
        "streamed": kept.streamed,
        "prompt_tokens": max(kept.prompt, 0),
        "completion_tokens": max(kept.completion, 0),
        "cost_nanodollars": kept.cost_nanodollars,
        "took_us": kept.took_us,
    }
