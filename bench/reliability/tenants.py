"""Callers who must not be told each other's answers, what they ask, and who may be told what.

Every request says in ``user`` who asks (a number), and the provider answers with exactly that: an answer out of the
cache tells for whom it was made. What may be told is worked out here from the documentation, not from the gateway.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.live.instance import configuration
from tests.live.wire import KEY

TEAMS = 12
KEYS_A_TEAM = 4
ALONE = 12
"""Keys without a team."""
LEVELS = ("key", "team", "customer", "all")
HOT_FOR = 24
"""Probes in a row that ask the same new question."""


class Tenant(NamedTuple):
    name: str
    key: str
    team: str
    customer: str


def tenants() -> list[Tenant]:
    """Keys that share long prefixes, in teams whose names are prefixes of each other, of three customers."""
    found = []
    for number in range(TEAMS * KEYS_A_TEAM + ALONE):
        team = "t" * (number // KEYS_A_TEAM + 1) if number < TEAMS * KEYS_A_TEAM else ""
        whose = len(team) if team else number
        customer = f"c{whose % 3}" if whose % 2 else ""
        found.append(Tenant(f"tenant{number}", f"sk-tenant-{'0' * 24}{number:04d}", team, customer))
    return found


def configured(url: str, scope: str, everybody: list[Tenant], threshold: float) -> dict[str, Any]:
    keys: list[dict[str, Any]] = [{"name": "test", "value": KEY}]
    for tenant in everybody:
        # The team's customer is its keys'.
        more = {"team": tenant.team} if tenant.team else {"customer": tenant.customer} if tenant.customer else {}
        keys.append({"name": tenant.name, "value": tenant.key, **more})
    semantic = {"embedder": "mock/e", "mode": "threshold", "threshold": threshold, "audit": 0, "embed_timeout": "30s"}
    return configuration(
        url,
        cache={"enabled": True, "scope": scope, "semantic": semantic},
        virtual_keys=keys,
        teams={one.team: {"customer": one.customer} if one.customer else {} for one in everybody if one.team},
        customers={one.customer: {} for one in everybody if one.customer},
        routes={"m": {"targets": ["mock/m"]}, "n": {"targets": ["mock/n"]}, "m2": {"targets": ["mock/m"]}},
    )


class Question(NamedTuple):
    text: str
    meaning: tuple[str, ...]
    """What is asked. The same meaning in other words may have one answer; another number, name, unit or a negation may
    not."""


OPENINGS = ("How do I {}?", "How can I {}?", "Please tell me how I {}.", "How could I {} today?")
FACTS: dict[str, tuple[str, ...]] = {
    "transfer {} accounts of our company to the new server": ("2", "3", "20", "two hundred"),
    "cook rice with {} of cold water in a heavy pot": ("5 litres", "5 gallons", "5 ml", "6 litres"),
    "{} my monthly invoice by electronic mail": ("receive", "not receive"),
    "travel from {} to the mountains by slow train": ("Paris", "London", "Berlin", "Rome"),
    "renew the passport of {} before summer begins": ("Alice Miller", "Bob Miller", "Alice Smith"),
    "book the small meeting room on {} for everybody": ("3 May 2024", "4 May 2024", "3 June 2024"),
    "print the label '{}' on thick yellow paper": ("fragile", "heavy", "this side up"),
    "call the function {} within our nightly script": ("`open_file()`", "`close_file()`"),
}


def questions() -> list[Question]:
    """In several words each, and near misses of all of them."""
    return [
        Question(opening.format(topic.format(fact)), (topic, fact))
        for topic, facts in FACTS.items()
        for fact in facts
        for opening in OPENINGS
    ]


SYSTEMS = ("", "Be brief.", "Be brief!", "You speak for t.")
TOOLS = ([], [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
PARAMETERS: tuple[dict[str, Any], ...] = ({}, {"temperature": 0}, {"temperature": 1}, {"max_tokens": 5}, {"seed": 1})


@dataclass(slots=True)
class Probe:
    number: int
    tenant: Tenant
    question: Question
    level: str
    """Who may share, as far as tenant and configuration go."""
    partition: bytes
    """What the caller named."""
    context: tuple[Any, ...]
    """All that is asked beside the question."""
    raw: bytes
    refused: bool = False
    """It asks for what it may not have, or cannot be."""

    @property
    def scope(self) -> tuple[str, str, bytes]:
        """Answers are shared by those of whom this is the same."""
        of = {"key": "", "team": self.tenant.team, "customer": self.tenant.customer}.get(self.level, "all")
        return (self.level, of, self.partition) if of else ("key", self.tenant.name, self.partition)


class Prober:
    """Makes probes, of one configuration."""

    def __init__(self, scope: str, seed: int) -> None:
        self.dice = random.Random(seed)
        self.scope = scope
        self.everybody = tenants()
        self.questions = questions()
        self.probes: list[Probe] = []

    def partition(self) -> bytes:
        dice = self.dice
        match dice.randrange(6):
            case 0:
                return dice.choice(self.everybody).name.encode()
            case 1:
                return b"t" * dice.randrange(1, TEAMS + 1)
            case 2:
                return dice.choice([b"KEY", b"Team", b"t t", b"key:1", b"ALL", b"*", b"..", b"%00", b"key\tt"])
            case 3:
                return bytes(dice.choice(b"\x80\xff!~\xc3'\"\\;=,") for _ in range(dice.randrange(1, 4)))
            case 4:
                return b"x" * dice.choice([1, 127, 128, 129, 4000])
            case _:
                return dice.choice(self.everybody).key.encode()

    def next(self) -> Probe:
        """One request of a tenant. Most only look, so that what others have kept stays in the cache."""
        dice, number = self.dice, len(self.probes)
        tenant, question = dice.choice(self.everybody), dice.choice(self.questions)
        fields: list[bytes] = []
        level, partition, refused = self.scope, b"", False
        model, system, tools, parameters, stream = "m", "", TOOLS[0], PARAMETERS[0], False
        match dice.randrange(10):
            case 0 | 1 | 2:
                pass
            case 3 | 4:
                if dice.random() < 0.4:
                    level = dice.choice(LEVELS)
                    fields.append(b"x-microgate-cache-scope: " + level.encode())
                    refused = LEVELS.index(level) > LEVELS.index(self.scope)
                else:
                    partition = self.partition()
                    fields.append(b"x-microgate-cache-scope: " + partition)
                    refused = len(partition) > 128
            case 5 | 6:
                model, system, stream = dice.choice(["m", "n", "m2"]), dice.choice(SYSTEMS), dice.random() < 0.3
                tools, parameters = dice.choice(TOOLS), dice.choice(PARAMETERS)
            case _:
                # Everybody asks the same, at the same time.
                text = f"Which is the capital of region {number // HOT_FOR} there?"
                question = Question(text, ("hot", str(number // HOT_FOR)))
        if question.meaning[0] != "hot" and dice.random() < 0.9:
            fields.append(b"x-microgate-cache: read")
        messages = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": question.text}]
        body: dict[str, Any] = {"model": model, "messages": messages, **parameters}
        if tools:
            body["tools"] = tools
        if stream:
            body["stream"] = True
        body["user"] = str(number)
        context = model, system, bool(tools), tuple(parameters.items()), stream
        raw = request(tenant.key, self.written(body), fields)
        probe = Probe(number, tenant, question, level, partition, context, raw, refused)
        self.probes.append(probe)
        return probe

    def written(self, body: dict[str, Any]) -> bytes:
        """As JSON, in one of the ways in which the same can be written."""
        if self.dice.random() < 0.7:
            return json.dumps(body).encode()
        members = list(body.items())
        self.dice.shuffle(members)
        return json.dumps(dict(members), indent=self.dice.choice([None, 1])).replace("how", "h\\u006fw").encode()


def request(key: str, body: bytes, fields: list[bytes]) -> bytes:
    head = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: x",
        b"authorization: Bearer " + key.encode(),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *fields,
    ]
    return b"\r\n".join([*head, b"", body])
