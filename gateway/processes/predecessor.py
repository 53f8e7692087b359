"""The new supervisor's side of an upgrade: what it takes over, and from when on it is the gateway."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gateway.processes import handover
from gateway.processes.context import ServeOptions
from gateway.processes.handover import End
from gateway.processes.holdings import Holdings
from gateway.processes.paths import Paths

log = logging.getLogger("microgate.upgrade")


class Predecessor:
    """The supervisor that started this one. It serves until it has said that everything is ours, finishes what it
    serves, and ends."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._said = False
        self._gone = False
        self.over = False
        """Everything is ours."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Predecessor | None:
        """None in an ordinary start. Raises HandoverError."""
        end = handover.inherited(environ)
        return None if end is None else cls(end)

    def holdings(self, paths: Paths, options: ServeOptions) -> Holdings:
        """What it hands over. Raises HandoverError."""
        inheritance, descriptors = self._end.take()
        return Holdings.take(paths, options, inheritance, descriptors)

    def serving(self) -> None:
        """Say, once, that all workers serve."""
        if not self._said:
            self._said = True
            self._end.say({"serving": True})

    def failed(self, why: str) -> None:
        """Say why nothing comes of it."""
        self._end.say({"failed": why})

    def just_over(self) -> bool:
        """Whether it has let go since the last call: it has said so, or it has died."""
        before = self.over
        try:
            said = self._end.heard()
        except EOFError:
            self._gone = self.over = True
        else:
            self.over = self.over or said is not None
        return self.over and not before

    def is_settled(self, holdings: Holdings) -> bool:
        """Whether it is gone, its workers too, and what they left behind is posted: that is ours to do when it was
        killed before they had drained."""
        try:
            settled = self._gone and holdings.settle_others()
        except OSError as error:
            log.warning("reservations of the predecessor's workers could not be posted: %s", error)
            return False
        if settled:
            self.close()
        return settled

    def close(self) -> None:
        """Close this process's end of the pair."""
        self._end.close()
