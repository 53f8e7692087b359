"""Who is told of records beside log, ledger and counters: the access log and a collector of OpenTelemetry.

Both follow the configuration, on a thread: OpenTelemetry's libraries take half a second to import, and are imported
only once a collector is configured.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.config.schema import Config
from gateway.config.telemetry import OtelEntry
from gateway.control.access_log import AccessLog
from gateway.control.configuration import Configuration
from gateway.control.log_choice import choice_of
from gateway.control.record_tap import RecordTap, Tap, tell
from gateway.snapshot.model import Provider
from gateway.tracing.parents import Parents

if TYPE_CHECKING:
    from gateway.tracing.export import Exporter

log = logging.getLogger("microgate.otel")

MOST_EARLY = 2000
"""Records that come before the configuration has been read: within a second of a start."""


class Telling:
    """One per control process. ``tapped`` is told, on a thread, where records are to be put from now on."""

    def __init__(self, tapped: Callable[[tuple[Tap, ...]], None], instance: str) -> None:
        self._tapped = tapped
        self._instance = instance
        self._configuration: Configuration | None = None
        self._otel = OtelEntry()
        self._changed = asyncio.Event()
        self.access_log = AccessLog(self._names)
        self.parents = Parents()
        self.exporter: Exporter | None = None
        self._lost = self._sent = 0
        self._early: RecordTap | None = RecordTap(MOST_EARLY, sums=True)
        tapped((self._early,))

    def _names(self) -> Mapping[int, str]:
        return {} if self._configuration is None else self._configuration.names

    def _providers(self) -> Mapping[str, Provider]:
        return {} if self._configuration is None else self._configuration.snapshot.providers

    def follow(self, configuration: Configuration) -> None:
        """On the loop: a configuration was taken over. While it is the sealed copy, whose file nobody could use,
        nothing changes."""
        self._configuration = configuration
        if configuration.config is not None:
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._configuration is not None and self._configuration.config is not None:
                await asyncio.to_thread(self.turn_to, self._configuration.config)

    def turn_to(self, config: Config) -> None:
        """On a thread."""
        self.access_log.follow(config.access_log)
        if config.otel != self._otel:
            if self.exporter is not None:
                # Taken off first: an exporter that is being closed takes nothing any more. At the start nothing is
                # taken off: what comes early is kept while the libraries are imported.
                self._tapped(self._taps(None))
                self._close_exporter()
            self._otel = config.otel
            if config.otel.endpoint is not None:
                self.exporter = self._exporter(config.otel)
        taps = self._taps(self.exporter)
        self._tapped(taps)
        early, self._early = self._early, None
        choice = choice_of(config)
        for values in early.take(0) if early is not None else ():
            tell(taps, values, choice.told(values))

    def _exporter(self, entry: OtelEntry) -> Exporter | None:
        try:
            # By its name: mypy and tests apart, only whoever configures it has the libraries.
            module: Any = import_module("gateway.tracing.export")
            made: Exporter = module.Exporter(entry, self._names, self._providers, self.parents, self._instance)
        except ImportError as error:
            log.error("nothing is exported: %s", error)  # noqa: TRY400 - a sentence for the operator
            return None
        made.start()
        return made

    def _taps(self, exporter: Exporter | None) -> tuple[Tap, ...]:
        lines = (self.access_log.tap,) if self.access_log.tap is not None else ()
        return lines if exporter is None else (*lines, *exporter.taps)

    def _close_exporter(self) -> None:
        exporter, self.exporter = self.exporter, None
        if exporter is not None:
            exporter.close()
            self._lost += exporter.dropped + exporter.tap.dropped
            self._sent += exporter.exported

    @property
    def sent_spans(self) -> int:
        """That a collector took."""
        return self._sent + (self.exporter.exported if self.exporter is not None else 0)

    @property
    def lost_spans(self) -> int:
        """And records of which none were made."""
        exporter = self.exporter
        return self._lost + (exporter.dropped + exporter.tap.dropped if exporter is not None else 0)

    def close(self) -> None:
        """Tell of what has come, and end; on a thread."""
        self._close_exporter()
        self.access_log.close()
