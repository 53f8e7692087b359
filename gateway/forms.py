"""What stands between a caller and a provider whose exchange is no generated answer: embeddings and the like.

The bodies are whole, so there are no events: a form of ``providers.forms`` on each side.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.exchange import Exchange
from gateway.serving import Plan, Target
from gateway.translation import NAMES, Translation, fields_of, object_of
from providers import forms
from providers.dialects import load
from providers.dialects.base import Facts
from providers.forms.base import Form
from providers.neutral import Json, Losses, Malformed, Usage
from providers.operations import Operation

NUMBERS = frozenset(int(Operation[name.upper()]) for name in forms.OPERATIONS)
INVOKE = int(Operation.INVOKE)


class FormTranslation(Translation):
    """Made for one operation."""

    def __init__(self, x: Exchange, kind: int) -> None:
        super().__init__(x)
        self.kind = kind
        self.operation = Operation(kind).name.lower()
        self.asked: Any = None
        self.path = ""
        self.ours: Form[Any, Any] = forms.load(self.operation, NAMES[x.dialect])
        self.theirs = self.ours
        x.stream = False

    def turn_to(self, x: Exchange, target: Target, plan: Plan) -> bytes | None:
        dialect = NAMES[plan.dialect]
        self.target = load(dialect)
        self.same = plan.dialect == x.dialect
        self.theirs = forms.load(self.operation, dialect)
        self.losses = Losses(target.upstream.unsupported)
        self.usage = self.fault = None
        self.path = plan.path
        body = body_of(x)
        route = "" if x.route is None else x.route.path
        if self.same:
            changed, self.path = self.ours.same(body, route, plan.path, target.model)
            return None if changed is None else orjson.dumps(changed)
        if self.asked is None:
            self.asked = self.ours.decode_request(body, model=x.model, path=route)
        facts = Facts(target.model, target.upstream.spec.vendor)
        said = self.theirs.encode_request(self.asked, facts, self.losses)
        self.path = self.theirs.path(plan.path, self.asked)
        return orjson.dumps(said)

    def path_of(self, plan: Plan, stream: bool) -> tuple[str, str]:
        return self.path, ""

    def answer(self, x: Exchange, body: bytes) -> bytes:
        answer = self.theirs.decode_answer(object_of(body), fields_of(x.answer_head))
        tokens = answer.input_tokens
        self.usage = None if tokens is None else Usage(tokens)
        if self.same:
            return body
        if not answer.model:
            answer.model = x.model
        return orjson.dumps(self.ours.encode_answer(answer, self.asked))


def body_of(x: Exchange) -> Json:
    """The caller's body. Raises Malformed."""
    body = orjson.loads(x.body)
    if not isinstance(body, dict):
        raise Malformed("The body is no JSON object.")
    return body


def operation_of(x: Exchange) -> int:
    """What is really asked for: an invoke of Bedrock's says it in its body."""
    if x.operation != INVOKE:
        return x.operation
    from providers.forms.embeddings.bedrock import family_of
    from providers.forms.rerank.bedrock import asks

    try:
        body = body_of(x)
    except Malformed:
        return INVOKE
    if asks(body):
        return int(Operation.RERANK)
    return int(Operation.EMBEDDINGS) if family_of(body, x.model) else INVOKE


def translation_for(x: Exchange, plan: Plan) -> Translation:
    """The one that is kept over attempts, or one of the other sort."""
    kind = plan.operation if plan.operation in NUMBERS else 0
    kept = x.translation
    if kept is not None and kept.kind == kind:
        found: Translation = kept
        return found
    return FormTranslation(x, kind) if kind else Translation(x)
