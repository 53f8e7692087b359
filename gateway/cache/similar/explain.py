"""What the look for similar questions would come to: the nearest ones, what the guard has against them, the decision.

The steps are those of ``lookup``; no lot is drawn, nothing is counted, nothing is learned.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from gateway.cache.entry import unpack
from gateway.cache.similar.guard import features
from gateway.cache.similar.lookup import Candidate, Question, Similar
from gateway.cache.similar.verified import decide
from gateway.exchange import Exchange

MOST_TEXT = 400
"""Characters of a question that are shown."""


async def explain(similar: Similar, x: Exchange, key: bytes, mine: bool) -> dict[str, Any]:
    """``mine``: nobody but the caller's virtual key shares the answers, so that questions may be shown."""
    settings = similar.settings
    told: dict[str, Any] = {
        "mode": settings.mode,
        "hit": False,
        "because": None,
        "question": None,
        "threshold": None if settings.mode == "verified" else settings.threshold,
        "error_bound": settings.error_bound if settings.mode == "verified" else None,
        "nearest": [],
    }
    question = similar.question_of(x, key)
    if question is None:
        told["because"] = f"it is no conversation of at most {settings.max_turns} turns that ends with text of a user"
        return told
    told["question"] = question.text[:MOST_TEXT]
    asked = similar.embedding.vector_of(question.text, x.principal)
    vector = asked if asked is None or isinstance(asked, bytes) else await asked
    if vector is None:
        told["because"] = "its vector was not to be had in time"
        return told
    question.vector = vector
    question.features = features(question.text)
    told["nearest"] = [await row(similar, x, question, each, mine) for each in await similar.candidates(question)]
    if not told["nearest"]:
        told["because"] = "no such question is known"
    told["hit"] = settings.mode != "shadow" and any(each["chance"] > 0.5 for each in told["nearest"])
    return told


async def row(similar: Similar, x: Exchange, question: Question, candidate: Candidate, mine: bool) -> dict[str, Any]:
    """One neighbour. ``chance``: with which its answer is told (in shadow mode: would be), audits left out."""
    kept, settings = candidate.record, similar.settings
    shown: dict[str, Any] = {
        "similarity": round(candidate.cosine, 4),
        "guard": candidate.differs or None,
        "decision": "",
        "chance": 0.0,
    }
    if candidate.differs:
        shown["decision"] = "differs"
    elif not await tellable(similar, x, kept.answer_key):
        shown["decision"] = "its answer is gone, or in another form"
    elif settings.mode == "verified":
        state = await similar.state_of(question.scope, kept.id)
        # What is decided is charged to the budget; what is explained is not.
        decision = decide(state, candidate.score, similar.policy, 1.0, similar.pool, copy(similar.budget))
        shown["chance"] = round(1.0 - decision.tau, 4)
        shown["decision"] = "hit" if decision.tau <= 0 else "asked afresh" if decision.tau >= 1 else "by lot"
        shown["right"] = round(decision.alpha, 4)
        shown["observed"] = len(state.observations)
    elif candidate.cosine >= settings.threshold:
        shown["chance"] = 1.0
        shown["decision"] = "would hit" if settings.mode == "shadow" else "hit"
    else:
        shown["decision"] = "not near enough"
    if mine:
        shown["question"] = kept.text[:MOST_TEXT]
    return shown


async def tellable(similar: Similar, x: Exchange, answer_key: bytes) -> bool:
    data = await similar.read(answer_key)
    answer = None if data is None else unpack(data)
    return answer is not None and answer.dialect == x.dialect and answer.streamed == x.stream
