"""Where would this request go? Answered by what chooses the way of requests, over a copy of what workers serve from.

Nobody is asked, nothing is counted, no lot is drawn for throttling, no limit is touched. What only one worker knows
(throttling, requests under way at a provider with ``max_concurrency``, whether a token could be had) is not judged.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from _speedups._bucket import Arena
from gateway.config.problems import dotted
from gateway.config.routes import RouteEntry
from gateway.config.schema import Config
from gateway.config.validate import validate
from gateway.control.dry_run_types import (
    LimitNeed,
    Refusal,
    RouteExplanation,
    RouteQuestion,
    TargetExplanation,
)
from gateway.control.entity_kinds import ROUTE
from gateway.control.entity_secrets import Unfit, fit
from gateway.control.health_copy import upstreams_of
from gateway.core import Core
from gateway.errors import GatewayError, Response
from gateway.exchange import Exchange
from gateway.phases.metering import foresee
from gateway.phases.parse import parse
from gateway.phases.route import route
from gateway.principal import Principal
from gateway.routing import receipt
from gateway.routing.explain import asked_about, explanation, offered
from gateway.routing.options import take_options
from gateway.routing.trail import place_of
from gateway.serving import Target, View
from gateway.snapshot.keytable import KeyRow, KeyTable
from gateway.snapshot.model import Ruleset, Snapshot, id_hash
from gateway.snapshot.plan import plan
from gateway.snapshot.standing import standing_of, usd

PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/anthropic/v1/messages",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "moderations": "/v1/moderations",
    "speech": "/v1/audio/speech",
    "image_generation": "/v1/images/generations",
    "rerank": "/v1/rerank",
    "ocr": "/v1/ocr",
}
"""What is asked for -> where a request for it is sent."""

OWN_FIELDS = ("host", "content-type", "content-length", "transfer-encoding", "expect")
"""What the request has anyway, or cannot have."""
REQUEST_ID = b"0" * 32
"""Refusals name one; nobody is shown it."""


class Scene(NamedTuple):
    """What the question is asked over."""

    snapshot: Snapshot
    config: Config
    arena: Arena
    runtime_dir: str
    names: dict[int, str]
    loop: asyncio.AbstractEventLoop
    """Not run: what serves requests wants one."""


def answer(scene: Scene, question: RouteQuestion, key: tuple[str, str] | None) -> RouteExplanation:
    """``key``: id and name of the virtual key that asks; None: somebody who may use everything and has no limits.
    Blocks on files: call it on a thread. Raises Unfit for a question that cannot be meant, LookupError where the key is
    not in force."""
    snapshot = scene.snapshot
    if question.route is not None:
        snapshot = with_route(snapshot, scene.config, question.model, question.route)
    row = None if key is None else _row(scene, key[0])
    snapshot = _with_asker(snapshot, row, key)
    with upstreams_of(snapshot, scene.arena, scene.runtime_dir) as upstreams:
        return _explained(scene, snapshot, View(snapshot, upstreams), question, row)


def with_route(snapshot: Snapshot, config: Config, name: str, spec: dict[str, Any]) -> Snapshot:
    """The snapshot with this route in it, in the place of one of the same name. Raises Unfit."""
    given = fit(ROUTE.spec, spec)
    entry = RouteEntry(**{field: getattr(given, field) for field in given.__struct_fields__})
    # Whatever else is wrong in the configuration is not this route's mistake.
    whole = msgspec.structs.replace(Config(), providers=config.providers, routes={name: entry})
    for problem in validate(whole):
        if not problem.warning and problem.path[:1] == ("routes",):
            raise Unfit(f"route: {dotted(problem.path[2:])}: {problem.message}")
    made = plan(whole, snapshot.pepper).routes[name]
    return msgspec.structs.replace(snapshot, routes={**snapshot.routes, name: made})


def _row(scene: Scene, entity_id: str) -> KeyRow:
    """Raises LookupError."""
    if not scene.snapshot.table:
        raise LookupError(entity_id)
    table = KeyTable.open(os.path.join(scene.runtime_dir, scene.snapshot.table))
    try:
        return table.of(id_hash(entity_id))
    finally:
        table.close()


def _with_asker(snapshot: Snapshot, row: KeyRow | None, key: tuple[str, str] | None) -> Snapshot:
    """Conditions of a route that is not stored yet may ask for what the snapshot does not tell."""
    if row is None or key is None:
        return msgspec.structs.replace(snapshot, rulesets=(*snapshot.rulesets, Ruleset()))
    return msgspec.structs.replace(
        snapshot,
        principals={**snapshot.principals, row.id_hash: key[1]},
        principal_ids={**snapshot.principal_ids, row.id_hash: key[0]},
    )


def _explained(
    scene: Scene, snapshot: Snapshot, view: View, question: RouteQuestion, row: KeyRow | None
) -> RouteExplanation:
    core = Core(scene.loop, view, None, None, None)
    whole = len(snapshot.rulesets) - 1
    principal = (
        Principal(0, 0, 0, 0, whole, [], 0, 0)
        if row is None
        else Principal(
            0, 0, row.id_hash, row.flags, row.ruleset, list(row.limits), row.stateful, row.expires_s, row.team,
            row.customer, snapshot.rulesets[row.ruleset].configs,
        )
    )  # fmt: skip
    shut = None if row is None else _shut(row)
    try:
        asked, refusal = _routed(core, principal, question)
    except GatewayError as error:
        raise Unfit(error.message) from None
    if asked.resolution is None or (refusal is not None and (asked.targets is None or asked.targets)):
        return RouteExplanation(
            model=question.model, operation=question.operation, route=None, strategy=None, drawn=False, because=None,
            targets=[], refusal=shut or _refused(refusal), limits=[], prompt_tokens=0, completion_tokens=0,
        )  # fmt: skip
    output = foresee(asked)
    said = explanation(asked, refusal)
    targets = _targets(scene, asked, said, output)
    dearest = max((each.cost_nanodollars or 0 for each in targets if each.order is not None), default=0)
    names = {} if row is None else {"team": _name(scene, row.team), "customer": _name(scene, row.customer)}
    limits = [_need(scene, slot, names, (asked.foreseen, output, dearest)) for slot in principal.general]
    first = next((each for each in targets if each.order is not None), None)
    return RouteExplanation(
        model=said["model"],
        operation=said["operation"],
        route=said["route"],
        strategy=said["strategy"],
        drawn=said["drawn"],
        because=None if first is None else said["because"],
        targets=targets,
        refusal=shut or _refused(refusal) or _used_up(limits),
        limits=limits,
        prompt_tokens=asked.foreseen,
        completion_tokens=output,
    )


def _name(scene: Scene, identity: int) -> str:
    return scene.names.get(identity, "").partition("/")[2]


def _routed(core: Core, principal: Principal, question: RouteQuestion) -> tuple[Exchange, Response | None]:
    """The exchange that such a request would be, once its way is chosen. Raises GatewayError, Unfit."""
    path = question.path or PATHS[question.operation]
    head = _head(path, question.headers)
    if not core.request_head.request(head):
        raise Unfit(f"headers: {core.request_head.why}")
    shell = Exchange(None, core, time.monotonic_ns())
    shell.method, shell.path, shell.head = b"POST", path.encode(), head
    shell.request_id, shell.principal = REQUEST_ID, principal
    if core.request_head.has_options:
        unclear = take_options(shell, core.request_head)
        if unclear is not None and unclear.error is not None:
            raise Unfit(f"headers: {unclear.error.message}")
    said = {"model": question.model, "path": path, "stream": "true" if question.stream else "false"}
    if question.max_tokens is not None:
        said["max_tokens"] = str(question.max_tokens)
    asked = asked_about(shell, said)
    if question.body is not None:
        asked.body = orjson.dumps({**question.body, "model": question.model})
        asked.body_length = len(asked.body)
        asked.json_declared, asked.content_type = True, b"application/json"
        refusal = parse(asked)
        if refusal is not None:
            raise Unfit(f"body: {refusal.error.message if refusal.error is not None else 'it cannot be read'}")
        # The path may name a model of its own.
        asked.model = question.model
        asked.stream = asked.stream or question.stream
        if question.max_tokens is not None:
            asked.max_tokens = question.max_tokens
    return asked, route(asked)


def _head(path: str, headers: dict[str, str]) -> bytes:
    """Raises Unfit."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json"]
    for name, value in headers.items():
        if not value.isprintable():
            raise Unfit(f"headers: {name}: control characters cannot be sent")
        if name.lower() not in OWN_FIELDS:
            lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode()


def _targets(scene: Scene, asked: Exchange, said: dict[str, Any], output: int) -> list[TargetExplanation]:
    resolution = asked.resolution
    assert resolution is not None
    every = [*offered(asked, resolution), *(asked.targets or ())]
    known = {(place_of(asked, each), f"{each.upstream.name}/{each.model}"): each for each in every}
    found = [_target(scene, asked, told, known[told["index"], told["target"]], output) for told in said["targets"]]
    for order, told in enumerate((told for told in found if told.order is not None), 1):
        told.order = order
    return found


def _target(scene: Scene, asked: Exchange, told: dict[str, Any], target: Target, output: int) -> TargetExplanation:
    principal = asked.principal
    assert principal is not None
    price = target.price.of_key(principal.id_hash)
    cost = None
    if price.known:
        cost = target.price.foresee(principal.id_hash, asked.foreseen, output, time.monotonic_ns())
    there = next((slots for name, slots in principal.places if name == target.upstream.name), ())
    names = {"provider": target.upstream.name}
    limits = [_need(scene, slot, names, (asked.foreseen, output, cost or 0)) for slot in there]
    limited = told["passed"] is None and any(each.refuses for each in limits)
    said = {"order": None, "passed": receipt.LIMITED} if limited else {}
    own = {"price_known": price.known, "price_source": price.source, "cost_nanodollars": cost}
    return msgspec.convert({**told, **said, **own, "limits": limits}, TargetExplanation)


def _need(scene: Scene, slot: int, names: dict[str, str], takes: tuple[int, int, int]) -> LimitNeed:
    """How a limit stands beside what the request takes: tokens of input, of output, nano-dollars."""
    prompt, output, money = takes
    found = standing_of(scene.arena, slot, time.monotonic_ns())
    needs = {"tokens": prompt + output, "input_tokens": prompt, "output_tokens": output, "usd": money}.get(
        found.counts, 1
    )
    shown = found.shown(names.get(found.level, ""))
    refuses = needs > found.remaining or not found.remaining
    return LimitNeed(**shown, needs=usd(needs) if found.counts == "usd" else needs, refuses=refuses)


def _shut(row: KeyRow) -> Refusal | None:
    """Of a key that may not ask for anything now."""
    if not row.enabled:
        return Refusal(401, "invalid_api_key", "This key is switched off.")
    if row.expires_s and row.expires_s <= time.time():
        return Refusal(401, "invalid_api_key", "This key has expired.")
    return None


def _refused(response: Response | None) -> Refusal | None:
    if response is None or response.error is None:
        return None
    return Refusal(response.status, response.error.code, response.error.message)


def _used_up(limits: Sequence[LimitNeed]) -> Refusal | None:
    for each in limits:
        if each.refuses:
            code = "budget_exceeded" if each.counts == "usd" else "rate_limit_exceeded"
            whose = f"the {each.level.replace('_', ' ')}" + (f" {each.name}" if each.name else "")
            return Refusal(429, code, f"A limit of {whose} has no room: {each.remaining} of {each.limit} are left.")
    return None
