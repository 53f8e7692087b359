"""Settings of the database in a sealed plan, for starts without it.

Limits and time-outs of the file's entities are made from them as well, so that a plan which was made without them
cannot be given them afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.config.references import Secret
from gateway.config.schema import Config
from gateway.config.settings import GROUPS, filled
from gateway.config.units import Duration, Size
from gateway.config.validate import validate
from gateway.snapshot.plan import Plan


def with_stored(plan: Plan, settings: Mapping[str, Any]) -> Plan:
    """A plan that was made with these settings: group -> value."""
    stored = {name: msgspec.json.encode(value, enc_hook=_plain) for name, value in settings.items()}
    return msgspec.structs.replace(plan, stored_settings=stored) if stored else plan


def under_stored(config: Config, sealed: Plan) -> Config:
    """The file's configuration with the settings of a sealed plan under its own; without those where they do not go
    together any more."""
    stored = [
        (name, msgspec.json.decode(body, type=GROUPS[name].spec, dec_hook=lambda kind, found: kind(found)))
        for name, body in sealed.stored_settings.items()
        if name in GROUPS
    ]
    if not stored:
        return config
    whole = filled(config, stored)
    return config if any(not problem.warning for problem in validate(whole)) else whole


def _plain(value: Any) -> float | int | str:
    """msgspec writes no subclass of a built-in type. Secrets go in clear: the plan is encrypted as a whole."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Duration):
        return float(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(type(value))
