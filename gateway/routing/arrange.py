"""The order in which targets are tried: conditions first, then health, then the route's strategy.

Deployments that are out are passed over. A target of the strategy's whose probe is due comes first: whoever claims the
probe (``Asking.ask``) asks it, everybody else goes on to the next one. When fewer than half of a route's targets are
left and no fallback is well, health is ignored (panic): a provider in trouble that answers some is better than an only
healthy one that all traffic falls on.
"""

from __future__ import annotations

import random

from _speedups._bytes import monotonic_ns
from _speedups._health import DUE, WELL
from gateway.exchange import Exchange
from gateway.routing import hashing, receipt, trail
from gateway.routing.facts import Facts, header_of
from gateway.serving import STRATEGIES, Choice, Resolution, Target

IS_WELL = WELL
IS_DUE = DUE
WEIGHTED = STRATEGIES["weighted"]
ORDER = STRATEGIES["order"]
LEAST_LATENCY = STRATEGIES["least-latency"]
LEAST_COST = STRATEGIES["least-cost"]
LEAST_BUSY = STRATEGIES["least-busy"]
HASH = STRATEGIES["hash"]
BYTES_PER_TOKEN = 4
USUAL_OUTPUT_TOKENS = 1024
"""Where the request sets no bound; used to compare prices only."""
UNKNOWN_PRICE = float("inf")


def arrange(x: Exchange, resolution: Resolution, choice: Choice) -> list[Target]:
    """Targets for one request, the first to be tried first; empty when every one's condition fails.

    ``x.regardless`` says whether health is to be ignored while they are tried.
    """
    x.regardless = True
    if choice.conditional:
        choice = fitting(x, choice)
    targets = choice.targets
    if len(targets) < 2:
        return targets
    now_ns = monotonic_ns()
    sick = False
    for target in targets:
        if target.health.state(now_ns) != IS_WELL:
            sick = True
    if sick:
        return around_the_sick(x, resolution, choice, now_ns)
    x.regardless = False
    if len(choice.primary) < 2:
        return targets
    return ordered(x, resolution, choice.primary, now_ns) + choice.fallbacks


def fitting(x: Exchange, choice: Choice) -> Choice:
    """What is left of ``choice`` for this request."""
    facts = Facts(x)
    if x.trail is not None:
        note_unfit(x, choice, facts)
    primary, fallbacks = (
        [target for target in targets if target.condition is None or target.condition.holds(facts)]
        for targets in (choice.primary, choice.fallbacks)
    )
    return Choice(primary, fallbacks)


def note_unfit(x: Exchange, choice: Choice, facts: Facts) -> None:
    """For a caller who wants to know. A request is judged by its conditions once, but for these."""
    for target in choice.targets:
        if target.condition is not None and not target.condition.holds(facts):
            trail.passed(x, target, receipt.CONDITION)


def around_the_sick(x: Exchange, resolution: Resolution, choice: Choice, now_ns: int) -> list[Target]:
    """The same where some deployment is out."""
    primary, due, fallbacks, due_last, out = [], [], [], [], []
    for target in choice.primary:
        state = target.health.state(now_ns)
        if state == IS_WELL:
            primary.append(target)
        elif state == IS_DUE:
            due.append(target)
        else:
            out.append(target)
    for target in choice.fallbacks:
        state = target.health.state(now_ns)
        if state == IS_WELL:
            fallbacks.append(target)
        elif state == IS_DUE:
            due_last.append(target)
        else:
            out.append(target)
    if 2 * len(primary) < len(choice.primary) and not fallbacks and not due:
        x.regardless = True
        trail.chosen(x, "panic")
        drawn = ordered(x, resolution, choice.primary, now_ns)
        # The first as if all were well; a second attempt rather goes where it may succeed.
        later = [target for target in drawn[1:] if target.health.state(now_ns) == IS_WELL]
        later += [target for target in drawn[1:] if target.health.state(now_ns) != IS_WELL]
        return drawn[:1] + later + choice.fallbacks
    x.regardless = False
    for target in out:
        trail.passed(x, target, receipt.EJECTED)
    rest = ordered(x, resolution, primary, now_ns) + fallbacks + due_last
    if due and not rest:
        # Whoever does not get the probe has nowhere else to go.
        x.regardless = True
    return due[:1] + rest


def ordered(x: Exchange, resolution: Resolution, targets: list[Target], now_ns: int) -> list[Target]:
    """``targets`` by the route's strategy, or by the session that the caller names."""
    if len(targets) < 2:
        return targets
    strategy = resolution.strategy
    if x.session or strategy == HASH:
        return by_hash(hash_key(x, resolution), targets)
    if strategy == WEIGHTED:
        return drawn_by_weight(targets)
    if strategy == LEAST_LATENCY:
        return two_choices(targets, now_ns)
    if strategy == LEAST_BUSY:
        return sorted(drawn_by_weight(targets), key=busyness)
    if strategy == LEAST_COST:
        return by_cost(x, drawn_by_weight(targets))
    return targets


def drawn_by_weight(targets: list[Target]) -> list[Target]:
    """One drawn by weight, then the others as they stand."""
    total = 0.0
    for target in targets:
        total += target.weight
    left = random.random() * total
    pick = 0
    for index, target in enumerate(targets):
        left -= target.weight
        if left < 0.0 and target.weight > 0.0:
            pick = index
            break
    if pick == 0:
        return targets
    return [targets[pick], *targets[:pick], *targets[pick + 1 :]]


def two_choices(targets: list[Target], now_ns: int) -> list[Target]:
    """Of two drawn the one with the lower load first (Mitzenmacher, the power of two choices), then the other one.

    Load is the peak EWMA of the time to the first byte times the requests under way. One of which nothing is known has
    none and is found out about.
    """
    first = random.randrange(len(targets))
    second = random.randrange(len(targets) - 1)
    second += second >= first
    if targets[second].health.load(now_ns) < targets[first].health.load(now_ns):
        first, second = second, first
    rest = [target for index, target in enumerate(targets) if index not in (first, second)]
    return [targets[first], targets[second], *rest]


def busyness(target: Target) -> float:
    """Requests under way, of all workers, for each unit of weight; 0 is never preferred."""
    return target.health.busy() / target.weight if target.weight > 0.0 else UNKNOWN_PRICE


def by_cost(x: Exchange, targets: list[Target]) -> list[Target]:
    """The cheapest for a request of this size first."""
    prompt = int((len(x.body) or max(x.body_length, 0)) / BYTES_PER_TOKEN)
    output = x.max_tokens if x.max_tokens >= 0 else USUAL_OUTPUT_TOKENS
    return sorted(targets, key=lambda target: cost(target, prompt, output))


def cost(target: Target, prompt_tokens: int, output_tokens: int) -> float:
    """In nano-dollars; infinite where the price is not known, so that these come last."""
    if not target.price.known:
        return UNKNOWN_PRICE
    return target.price.at(monotonic_ns()).cost(prompt_tokens, output_tokens)


def hash_key(x: Exchange, resolution: Resolution) -> bytes:
    """What equal requests have in common: the session, the header field that the route names, or the virtual key."""
    if x.session:
        return x.session
    if resolution.hash_on:
        value = header_of(x, resolution.hash_on)
        if value:
            return value
    return b"" if x.principal is None else x.principal.id_hash.to_bytes(8, "little")


def by_hash(key: bytes, targets: list[Target]) -> list[Target]:
    names = [target.upstream.name.encode() + b"/" + target.model_bytes for target in targets]
    return [targets[index] for index in hashing.choose(key, names, [target.weight for target in targets])]
