"""What a worker serves from: the snapshot compiled into objects that a request only has to look up.

Built off the hot path when a snapshot is adopted; a delta rebuilds only what it names. Everything a request needs from
the configuration (heads ready to send, masks of allowed keys, spliced model names) is computed once per provider,
operation or model, never per request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import quote

import orjson

from _speedups._affinity import Affinity
from _speedups._bucket import ArenaWorker
from _speedups._head import HeaderFilter
from _speedups._health import Health
from _speedups._keys import MAX_KEYS, KeySet
from gateway.habits import Habit, longest
from gateway.model_names import header_safe, matches, near
from gateway.pricing import Price, PriceBook
from gateway.routing import hashing
from gateway.routing.affinity import seed_of
from gateway.snapshot.model import Provider, ProviderKey, Route, Ruleset, Snapshot, Strategy, id_hash
from gateway.snapshot.model import Target as TargetSpec
from providers.natives import AT_VENDOR
from providers.operations import Dialect, Operation
from providers.vendors import CUSTOM

GENERATING = (Operation.CHAT, Operation.RESPONSES, Operation.COMPLETIONS)
"""Ways of asking for a generated answer, the one that others are best translated to first."""

STRATEGIES = {name: number for number, name in enumerate(get_args(Strategy))}
NO_BOUND = 1 << 30
NO_PRICES = PriceBook(Snapshot(version=0, created_ns=0, providers={}, routes={}))

RESOLUTIONS_KEPT = 10_000
"""Model names remembered with their resolution; the oldest are forgotten, lest a caller invent names for ever."""


class Plan:
    """How one provider is asked for one operation."""

    def __init__(self, provider: Upstream, operation: int, dialect: int, path: str) -> None:
        self.operation = operation
        self.dialect = dialect
        self.path = path
        """After the base URL's own prefix; may hold ``{model}``."""
        self.provider = provider
        self.model_in_body = "{model}" not in path
        native = AT_VENDOR.get((provider.spec.vendor, Dialect(dialect).name.lower()))
        self.members = native.members if native is not None else ()
        """Members of the body in place of the model."""
        self.heads: list[bytes] = []
        """Per key: request line to the last header line that does not depend on the request."""
        if self.model_in_body:
            self.heads = [provider.head(b"POST", path, key) for key in range(provider.key_count)]

    def head(self, key: int, model: str) -> bytes:
        """Head up to the headers that depend on the request."""
        if self.heads:
            return self.heads[key]
        return self.provider.head(b"POST", self.path.replace("{model}", quote(model, safe="")), key)


class Upstream:
    """One configured provider, ready to be asked."""

    def __init__(self, spec: Provider, arena: ArenaWorker | None, pool: Any) -> None:
        self.spec = spec
        self.name = spec.name
        self.id_hash = id_hash(spec.id)
        self.pool = pool
        # Only OpenAI's dialects have a member for it, and each of their operations is of one of them.
        self.ask_usage = spec.stream_usage == "ask" and any(d.startswith("openai_") for d in spec.dialects.values())
        keys = spec.keys or (ProviderKey(id=spec.id + "/keyless", name="keyless", value=""),)
        self.key_specs = keys
        self.key_count = len(keys)
        self.values = [key.value for key in keys]
        """What is sent; of a key with a credential the token that it stands for now."""
        self.book = NO_PRICES
        self.habits: dict[str, Habit] = {}
        self.credentials: Any = None
        """``gateway.credentials.keys.KeyCredentials`` of a provider with keys that are not plain text."""
        self.affinity: Affinity | None = None
        """Of a provider with ``prompt_cache_affinity``."""
        if self.key_count > MAX_KEYS:
            raise ValueError(f"provider {spec.name}: more than {MAX_KEYS} keys")
        self.key_hashes = [id_hash(key.id) for key in keys]
        self.enabled_mask = 0
        for index, key in enumerate(keys):
            if key.enabled:
                self.enabled_mask |= 1 << index
        self.keys = KeySet(arena, [(round(key.weight * 1000), key.health_slot, 0) for key in keys])
        self.healths = {model: health_of(spec, arena, slot) for model, slot in spec.deployments.items()}
        """Upstream model -> how well it is answered for; ``""``: models that no configuration names."""
        self.other_health = self.healths.get("") or health_of(spec, arena, -1)
        self.in_flight = 0
        self.max_concurrency = spec.max_concurrency or NO_BOUND
        self.throttles = spec.health.throttle
        self.connect_timeout_ns = int(spec.timeouts.connect * 1e9)
        self.first_byte_ns = int(spec.timeouts.first_byte * 1e9)
        self.first_token_ns = int(spec.timeouts.first_token * 1e9)
        self.stream_idle_ns = int(spec.timeouts.stream_idle * 1e9)
        self.total_ns = int(spec.timeouts.total * 1e9)
        self.told_time = spec.vendor == CUSTOM  # a gateway of one's own may know what to do with that
        forwarded = [name.encode() for name in spec.forward_headers]
        self.forward_filter = HeaderFilter(forwarded, keep=True) if forwarded else None
        self.unsupported = spec.unsupported
        self.plans: dict[int, Plan] = {}
        for name, dialect in spec.dialects.items():
            operation = Operation[name.upper()]
            self.plans[int(operation)] = Plan(
                self, int(operation), int(Dialect[dialect.upper()]), spec.paths.get(name, "")
            )
        responses = self.plans.get(int(Operation.RESPONSES))
        if responses is not None and int(Operation.COUNT_TOKENS) not in self.plans:
            # A caller of the same dialect is let through to what may be there; nobody else is.
            number = int(Operation.COUNT_TOKENS)
            self.plans[number] = Plan(self, number, responses.dialect, responses.path + "/input_tokens")
        # Whoever generates answers in one dialect does so for callers of any.
        generates = next((self.plans[int(o)] for o in GENERATING if int(o) in self.plans), None)
        if generates is not None:
            for other in (*GENERATING, Operation.INVOKE):
                self.plans.setdefault(int(other), generates)
        # What an invoke asks for stands in its body.
        for number in (int(Operation.EMBEDDINGS), int(Operation.RERANK)):
            if number in self.plans:
                self.plans.setdefault(int(Operation.INVOKE), self.plans[number])

    def narrowed(self, session: bytes, mask: int, now_ns: int) -> int:
        """Of the keys in ``mask`` that are well and can be sent with the one which this session goes to; ``mask`` when
        none is."""
        ready = mask if self.credentials is None else int(self.credentials.usable(mask, now_ns)[0])
        indices = [index for index in range(self.key_count) if ready >> index & 1 and self.keys.usable(index, now_ns)]
        if len(indices) < 2:
            return mask
        names = [self.key_hashes[index].to_bytes(8, "little") for index in indices]
        weights = [self.key_specs[index].weight for index in indices]
        return 1 << indices[hashing.choose(session, names, weights)[0]]

    def habit_of(self, model: str, asked: str) -> Habit:
        """What requests for this model, which callers know as ``asked``, have been like."""
        found = self.habits.get(model)
        if found is None:
            if len(self.habits) >= RESOLUTIONS_KEPT:
                self.habits.clear()
            found = self.habits[model] = Habit(longest(self.book.facts.get(self.name, b""), asked))
        return found

    def put(self, key: int, value: str) -> None:
        """Send ``value`` for this key from now on."""
        self.values[key] = value
        for plan in self.plans.values():
            if plan.heads:
                plan.heads[key] = self.head(b"POST", plan.path, key)

    def head(self, method: bytes, path: str, key: int, query: bytes = b"") -> bytes:
        """``METHOD target HTTP/1.1`` with host, credential and configured headers, each line ended."""
        origin = self.pool.origin
        asked = query.decode("ascii", "replace")
        whole_query = f"{self.spec.query}&{asked}" if self.spec.query and asked else self.spec.query or asked
        target = origin.target_prefix + path + ("?" + whole_query if whole_query else "")
        lines = [
            method
            + b" "
            + target.encode("ascii", "replace")
            + b" HTTP/1.1\r\nhost: "
            + origin.authority.encode("ascii")
            + b"\r\n",
            origin.proxy_field,
        ]
        value = self.values[key]
        if value and self.key_specs[key].credential is not None:
            lines.append(f"authorization: Bearer {value}\r\n".encode("latin-1"))
        elif value:
            credential = f"{self.spec.auth_scheme} {value}" if self.spec.auth_scheme else value
            lines.append(f"{self.spec.auth_header}: {credential}\r\n".encode("latin-1"))
        for name, text in self.spec.headers:
            lines.append(f"{name}: {text}\r\n".encode("latin-1"))
        return b"".join(lines)

    def allowed_keys(self, model: str) -> int:
        """Bit mask of the enabled keys that may serve ``model``."""
        mask = 0
        for index, key in enumerate(self.key_specs):
            if not self.enabled_mask >> index & 1:
                continue
            if (not key.models or matches(key.models, model)) and not matches(key.deny_models, model):
                mask |= 1 << index
        return mask


def health_of(spec: Provider, arena: ArenaWorker | None, slot: int) -> Health:
    """A deployment of this provider, judged by its rules."""
    rules = spec.health
    rest_ns = max(1, int(rules.rest * 1e9))
    return Health(
        arena,
        slot,
        rules.consecutive,
        rules.volume,
        max(1, round(rules.failure_share * 1000)),
        rest_ns,
        max(rest_ns, int(rules.rest_max * 1e9)),
    )


class Target:
    """One provider and the model it is to be asked for: a deployment, as a route names it."""

    def __init__(self, upstream: Upstream, model: str, weight: float, condition: Any = None) -> None:
        self.price: Price = upstream.book.of(upstream.spec, model)
        asked, model = model, upstream.spec.aliases.get(model, model)
        self.upstream = upstream
        self.model = model
        self.weight = weight
        self.condition = condition
        """``gateway.routing.cel.Condition`` without which it is passed over; None: always."""
        self.health = upstream.healths.get(model) or upstream.other_health
        self.model_bytes = model.encode("utf-8", "replace")
        self.model_json = (
            orjson.dumps(model) if model.isprintable() else orjson.dumps(model.encode("utf-8", "replace").decode())
        )
        self.label = self.model_bytes[:96]
        """The model's name as a record has room for it."""
        self.mask = upstream.allowed_keys(model)
        self.habit = upstream.habit_of(model, asked)
        self.seed = 0 if upstream.affinity is None else seed_of(self.model_bytes)
        """Keeps prompts for this model apart from those for others."""
        self.labels = (
            b"\r\nx-microgate-provider: "
            + header_safe(upstream.name)
            + b"\r\nx-microgate-model: "
            + header_safe(model)
            + b"\r\n"
        )

    def copy(self, weight: float) -> Target:
        """Another one, that can be narrowed."""
        made = Target(self.upstream, "", weight, self.condition)
        kept = "model", "health", "price", "model_bytes", "model_json", "label", "mask", "habit", "seed", "labels"
        for name in kept:
            setattr(made, name, getattr(self, name))
        return made


class Choice:
    """The targets of a name that keys of one rule set may use."""

    def __init__(self, primary: list[Target], fallbacks: list[Target]) -> None:
        self.primary = primary
        self.fallbacks = fallbacks
        self.targets = primary + fallbacks
        self.conditional = any(target.condition is not None for target in self.targets)
        self.plain = len(self.targets) == 1 and not self.conditional
        """There is nothing to arrange."""
        self.fingerprint = b""
        """Stands for these targets in keys of the cache, once there is one: ``gateway.cache.answers``."""


class Resolution:
    """Where a model name leads: the targets one of which is chosen by the route's strategy, and their fallbacks."""

    def __init__(self, name: str, route: Route | None, primary: list[Target], fallbacks: list[Target]) -> None:
        self.name = name
        self.label = name.encode("utf-8", "replace")[:96]
        """The name as a record has room for it."""
        self.route = route
        self.route_hash = 0 if route is None else id_hash(route.id)
        self.strategy = 0 if route is None else STRATEGIES[route.strategy]
        self.hedged = route is not None and route.hedge is not None
        self.continues = route is not None and route.continue_on_cut
        self.hash_on = b"" if route is None else route.hash_on.encode()
        self.primary = primary
        self.fallbacks = fallbacks
        self.shadows: Any = None
        """``gateway.routing.shadow.Shadows`` of a route that has some."""
        self.choices: dict[int, Choice | None] = {}
        """Ruleset index -> what its keys may use; None: nothing."""


def condition_of(source: str) -> Any:
    """The condition of a target, compiled; None: it has none."""
    if not source:
        return None
    from gateway.routing.cel import compile_condition

    return compile_condition(source)


class View:
    """One version of the configuration, as this worker serves it."""

    def __init__(self, snapshot: Snapshot, upstreams: dict[str, Upstream]) -> None:
        self.snapshot = snapshot
        self.version = snapshot.version
        self.upstreams = upstreams
        self.book = PriceBook(snapshot)
        self.rulesets: tuple[Ruleset, ...] = snapshot.rulesets
        self.routes: Mapping[str, Route] = snapshot.routes
        self.resolutions: dict[str, dict[str, Resolution]] = {}
        """By the prefix of the path, then by the model's name."""
        self.remembered: deque[tuple[str, str]] = deque()
        self.retry_statuses = frozenset(snapshot.settings.retry.statuses)
        self.max_attempts = snapshot.settings.retry.attempts
        self.facts: dict[str, dict[str, Any]] = {}
        self.model_pages: dict[int, bytes] = {}
        """Ruleset index -> answer to /v1/models, made at the first question."""
        self.bare: dict[str, list[str]] = {}
        """A bare model name -> the providers that declare it in their configuration."""
        for name, upstream in upstreams.items():
            upstream.book = self.book
            for model in (*upstream.spec.models, *upstream.spec.aliases):
                self.bare.setdefault(model, []).append(name)

    def resolve(self, model: str, prefix: str) -> Resolution | None:
        """Where ``model`` leads for a caller under ``/{prefix}``; None when nowhere.

        In this order: a route of exactly this name; the text before the first slash is a provider; a bare name goes to
        the provider named by the prefix; else to the one provider that declares it.
        """
        under = self.resolutions.get(prefix)
        if under is None:
            under = self.resolutions[prefix] = {}
        found = under.get(model)
        if found is not None:
            return found
        found = self.find(model, prefix)
        if found is not None:
            if len(self.remembered) >= RESOLUTIONS_KEPT:
                oldest, name = self.remembered.popleft()
                self.resolutions[oldest].pop(name, None)
            self.remembered.append((prefix, model))
            under[model] = found
        return found

    def find(self, model: str, prefix: str) -> Resolution | None:
        route = self.routes.get(model)
        if route is not None:
            primary, fallbacks = self.targets_of(route.targets), self.targets_of(route.fallbacks)
            made = Resolution(model, route, primary, fallbacks) if primary or fallbacks else None
            if made is not None and route.shadow:
                from gateway.routing.shadow import Shadows

                made.shadows = Shadows(self, route.shadow)
            return made
        name, slash, rest = model.partition("/")
        if slash and rest and name in self.upstreams:
            return self.at(name, rest, model)
        if prefix and prefix in self.upstreams:
            return self.at(prefix, model, model)
        owners = self.bare.get(model, ())
        if len(owners) == 1:
            return self.at(owners[0], model, model)
        return None

    def at(self, provider: str, model: str, name: str) -> Resolution:
        return Resolution(name, None, [Target(self.upstreams[provider], model, 1.0)], [])

    def targets_of(self, named: tuple[TargetSpec, ...]) -> list[Target]:
        """The targets of a route whose providers are there."""
        return [
            Target(self.upstreams[spec.provider], spec.model, spec.weight, condition_of(spec.when))
            for spec in named
            if spec.provider in self.upstreams
        ]

    def facts_of(self, provider: str) -> dict[str, Any]:
        """What is known of a provider's models, by the names that callers write."""
        found = self.facts.get(provider)
        if found is None:
            found = self.facts[provider] = orjson.loads(self.snapshot.facts.get(provider, b"{}"))
        return found

    def candidates(self, model: str) -> list[str]:
        """Names close to an unknown ``model``, for the error message."""
        return near(model, self.routes, self.bare, self.upstreams)

    def choice(self, ruleset: int, resolution: Resolution) -> Choice | None:
        """The targets that keys of this ruleset may use; None when there is none."""
        found = resolution.choices.get(ruleset)
        if found is None and ruleset not in resolution.choices:
            from gateway.routing.allowed import allowed

            found = resolution.choices[ruleset] = allowed(self.rulesets[ruleset], resolution)
        return found
