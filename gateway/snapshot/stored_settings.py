"""Settings of the database in a sealed plan, for starts without it.

Limits and time-outs of the file's entities are made from them as well, so that a plan which was made without them
cannot be given them afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.config.problems import Problem
from gateway.config.references import Secret
from gateway.config.schema import Config
from gateway.config.settings import GROUPS, filled, group_of
from gateway.config.units import Duration, Size
from gateway.config.validate import validate
from gateway.snapshot.plan import Plan


def with_stored(plan: Plan, settings: Mapping[str, Any]) -> Plan:
    """A plan that was made with these settings: group -> value."""
    stored = {name: msgspec.json.encode(value, enc_hook=_plain) for name, value in settings.items()}
    return msgspec.structs.replace(plan, stored_settings=stored) if stored else plan


def under_stored(config: Config, sealed: Plan) -> Config:
    """The file's configuration with the settings of a sealed plan under its own; without groups that do not go together
    with it any more."""
    stored = {
        name: msgspec.json.decode(body, type=GROUPS[name].spec, dec_hook=lambda kind, found: kind(found))
        for name, body in sealed.stored_settings.items()
        if name in GROUPS
    }
    while stored:
        whole = filled(config, stored.items())
        wrong = {group_of(p.path) for p in validate(whole) if not p.warning and not _is_sealed(p, whole, sealed)}
        if not wrong:
            return whole
        if not wrong & stored.keys():
            break
        stored = {name: value for name, value in stored.items() if name not in wrong}
    return config


def _is_sealed(problem: Problem, whole: Config, sealed: Plan) -> bool:
    """Whether it is about an embedder that the file does not know: one of the database, which comes with the plan."""
    if problem.path != ("cache", "semantic", "embedder") or whole.cache.semantic is None:
        return False
    embedder = whole.cache.semantic.embedder
    return embedder in sealed.routes or embedder.partition("/")[0] in sealed.providers


def _plain(value: Any) -> float | int | str:
    """msgspec writes no subclass of a built-in type. Secrets go in clear: the plan is encrypted as a whole."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Duration):
        return float(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(type(value))
