"""The few settings of the snapshot that the processes themselves need, whatever it is that they serve."""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

from gateway.processes.paths import Paths

Found = TypeVar("Found")


class CacheSettings(msgspec.Struct, frozen=True):
    """Of ``snapshot.model.Cache``."""

    enabled: bool = False


class ProcessSettings(msgspec.Struct, frozen=True):
    """Members of ``snapshot.model.Settings`` under their names there; the rest is skipped, not decoded."""

    drain_timeout: float = 30.0
    """Seconds that running exchanges may take to finish when the gateway stops."""
    log_level: str = "info"
    log_format: str = "text"
    cache: CacheSettings = CacheSettings()


class _Snapshot(msgspec.Struct):
    settings: ProcessSettings = ProcessSettings()


_decoder = msgspec.msgpack.Decoder(_Snapshot)


def in_force(paths: Paths, decoder: msgspec.msgpack.Decoder[Found]) -> Found | None:
    """What ``decoder`` reads of the snapshot in force; None when there is none or it is unreadable."""
    path = paths.current_snapshot()
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return decoder.decode(file.read())
    except (OSError, msgspec.MsgspecError):
        return None


def process_settings(paths: Paths) -> ProcessSettings:
    """Those in force; the defaults when there is no snapshot or it is unreadable: stopping must work."""
    found = in_force(paths, _decoder)
    return ProcessSettings() if found is None else found.settings


class Following:
    """The settings in force, read again when another snapshot is pointed at: cheap enough to ask at every tick."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._seen = (0, 0)
        self._found = ProcessSettings()

    def now(self) -> ProcessSettings:
        try:
            found = os.stat(self._paths.current)
        except OSError:
            return self._found
        seen = found.st_mtime_ns, found.st_ino
        if seen != self._seen:
            self._seen = seen
            self._found = process_settings(self._paths)
        return self._found
