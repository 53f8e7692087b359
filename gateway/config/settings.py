"""Settings: what a configuration says of no entity, in the groups in which it is changed through the API.

A member that the file gives (what is not None) holds; of the others those of the database; else the default. What is
read once, at the start (where to listen, workers, TLS, master keys), and who may read metrics is the file's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from gateway.config.alerts import AlertsEntry
from gateway.config.cache import CacheEntry
from gateway.config.log import LogEntry, RollupsEntry
from gateway.config.names import RowId
from gateway.config.parts import only
from gateway.config.problems import Path
from gateway.config.schema import CompatEntry, Config, HealthEntry, ModelListsEntry, RetryEntry, TimeoutsEntry
from gateway.config.server import OverloadEntry, ServerEntry, ServerLimitsEntry

SETTING = "setting"
"""Kind of a group in the database; its name there is the group's."""


class Group(NamedTuple):
    """Members of one mapping of the configuration."""

    name: str
    path: tuple[str, ...]
    """Where the mapping stands."""
    spec: type[msgspec.Struct]
    has_secrets: bool = False


LOG_FIELDS = [name for name in LogEntry.__struct_fields__ if name != "rollups"]

GROUPS = {
    group.name: group
    for group in (
        Group("accounting", (), only(Config, "AccountingSettings", "time_zone", "unknown_price")),
        Group("retry", ("retry",), only(RetryEntry, "RetrySettings", *RetryEntry.__struct_fields__)),
        Group("timeouts", ("timeouts",), only(TimeoutsEntry, "TimeoutsSettings", *TimeoutsEntry.__struct_fields__)),
        Group("health", ("health",), only(HealthEntry, "HealthSettings", *HealthEntry.__struct_fields__)),
        Group(
            "server",
            ("server",),
            only(
                ServerEntry,
                "ServerSettings",
                *("drain_timeout", "stream_keepalive", "trusted_proxies", "forward_rate_limit_headers", "explain"),
            ),
        ),
        Group(
            "server.limits",
            ("server", "limits"),
            only(ServerLimitsEntry, "ServerLimitsSettings", *ServerLimitsEntry.__struct_fields__),
        ),
        Group(
            "server.overload",
            ("server", "overload"),
            only(OverloadEntry, "OverloadSettings", *OverloadEntry.__struct_fields__),
        ),
        Group("cache", ("cache",), only(CacheEntry, "CacheSettings", *CacheEntry.__struct_fields__), True),
        Group("compat", ("compat",), only(CompatEntry, "CompatSettings", *CompatEntry.__struct_fields__)),
        Group("alerts", ("alerts",), only(AlertsEntry, "AlertsSettings", *AlertsEntry.__struct_fields__), True),
        Group("log", ("log",), only(LogEntry, "LogSettings", *LOG_FIELDS)),
        Group("log.rollups", ("log", "rollups"), only(RollupsEntry, "RollupsSettings", "minutes", "hours")),
        Group(
            "model_lists",
            ("model_lists",),
            only(ModelListsEntry, "ModelListsSettings", *ModelListsEntry.__struct_fields__),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A group of the database."""

    id: RowId
    value: Any
    """Of the group's type."""


def said(config: Config, name: str) -> Any:
    """What a configuration gives of a group, as the group's type."""
    group = GROUPS[name]
    found: Any = config
    for step in group.path:
        found = getattr(found, step)
    return group.spec(**{member: getattr(found, member) for member in group.spec.__struct_fields__})


def filled(config: Config, values: Iterable[tuple[str, Any]]) -> Config:
    """The configuration with these groups' members where it gives none itself."""
    for name, value in values:
        config = _under(config, GROUPS[name].path, value)
    return config


def _under(struct: Any, path: tuple[str, ...], value: msgspec.Struct) -> Any:
    if path:
        return msgspec.structs.replace(struct, **{path[0]: _under(getattr(struct, path[0]), path[1:], value)})
    given = {member: getattr(value, member) for member in value.__struct_fields__ if getattr(struct, member) is None}
    return msgspec.structs.replace(struct, **given)


def group_of(path: Path) -> str:
    """The group that the place in a configuration belongs to; empty: none."""
    for group in GROUPS.values():
        depth = len(group.path)
        rest = path[depth:]
        if path[:depth] == group.path and rest and rest[0] in group.spec.__struct_fields__:
            return group.name
    return ""


def in_force(config: Config, name: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Every member of a group, those that ``config`` does not give as ``defaults`` have them."""
    found = said(config, name)
    values = {member: getattr(found, member) for member in found.__struct_fields__}
    return {member: defaults.get(member) if value is None else value for member, value in values.items()}
