"""How long running exchanges may take to finish when the gateway stops."""

from __future__ import annotations

import msgspec

from gateway.processes.paths import Paths


class _DrainSetting(msgspec.Struct):
    drain_timeout: float = 30.0


class _SnapshotSettings(msgspec.Struct):
    """The one member of ``snapshot.model.Snapshot`` that is needed: the rest is skipped, not decoded."""

    settings: _DrainSetting = msgspec.field(default_factory=_DrainSetting)


_decoder = msgspec.msgpack.Decoder(_SnapshotSettings)


def drain_timeout_s(paths: Paths) -> float:
    """Seconds, from the current snapshot; the default when there is none or it is unreadable: stopping must work."""
    path = paths.current_snapshot()
    if path is None:
        return _DrainSetting().drain_timeout
    try:
        with open(path, "rb") as file:
            return _decoder.decode(file.read()).settings.drain_timeout
    except (OSError, msgspec.MsgspecError):
        return _DrainSetting().drain_timeout
