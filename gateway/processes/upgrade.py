"""The old supervisor's side of an upgrade: a successor is started, waited for and given everything, or given up.

The old one serves on until the new one does, so an upgrade that fails changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping

from gateway.processes import handover
from gateway.processes.children import describe_exit
from gateway.processes.context import ServeOptions
from gateway.processes.handover import End
from gateway.processes.holdings import Holdings
from gateway.processes.service import Service
from gateway.processes.systemd import notify

LOOK_S = 0.02
"""How often the successor is listened to."""

END_WITHIN_S = 60.0
"""For a successor that is given up: its workers may have requests to finish."""

log = logging.getLogger("microgate.upgrade")


class Command:
    """How this process was started, kept from the beginning: the successor is started the same way, so what the paths
    lead to by then is the new code."""

    def __init__(self) -> None:
        self.arguments = [sys.executable, *sys.orig_argv[1:]]
        self.environ: Mapping[str, str] = dict(os.environ)
        self.directory = os.getcwd()
        # The shell's name for it may lead through links that are set anew with every release.
        named = os.environ.get("PWD", "")
        with contextlib.suppress(OSError):
            if named and os.path.samefile(named, self.directory):
                self.directory = named


class Upgrade:
    """At most one successor at a time. ``successor.pid`` is 0 when there is none."""

    def __init__(self, holdings: Holdings, options: ServeOptions) -> None:
        self.successor = Service("successor")
        self.end: End | None = None
        """While it can still take over."""
        self._command = Command()
        self._holdings = holdings
        self._options = options
        self._give_up_at = 0.0
        self._why = ""

    @property
    def pending(self) -> bool:
        return self.successor.pid != 0

    def close(self) -> None:
        """This process's end of the pair: what a child calls, and who is done with it."""
        if self.end is not None:
            self.end.close()
            self.end = None

    def begin(self) -> None:
        """Start a successor, or say why not."""
        reason = self._reason_against()
        if reason:
            self._report("failed", reason)
            return
        self.end, theirs = handover.pair()
        command = self._command
        try:
            pid = handover.spawn(command.arguments, command.directory, command.environ, theirs)
        except OSError as error:
            self.close()
            self._report("failed", f"a new process cannot be started: {error}")
            return
        finally:
            theirs.close()
        self._why = ""
        self._give_up_at = time.monotonic() + self._options.upgrade_timeout
        self.successor.started(pid, 0)
        with contextlib.suppress(OSError):
            # One that is gone already is noticed by its exit status.
            self.end.give(self._holdings.inheritance(self._options), self._holdings.descriptors)
        log.info("upgrade: process %d is to take over", pid)

    def _reason_against(self) -> str:
        if self.pending:
            return f"process {self.successor.pid} is being started already"
        if os.getpid() == 1:
            return "process 1 of a container cannot be replaced: start a new container"
        if not self._holdings.listeners.listening:
            return "it does not serve yet"
        try:
            if not self._holdings.settle_others():
                return "workers of the version before still finish what they serve"
        except OSError as error:
            return str(error)
        return ""

    def serves(self) -> bool:
        """Listen to the successor; True when its workers serve and it waits for the rest."""
        if self.end is None:
            if self.pending and time.monotonic() >= self._give_up_at:
                os.kill(self.successor.pid, signal.SIGKILL)
            return False
        try:
            said = self.end.heard() or {}
        except EOFError:
            # Its exit status says more; one that only closed its end runs into the time-out.
            said = {}
        self._why = said.get("failed", self._why)
        if said.get("serving"):
            return True
        if time.monotonic() >= self._give_up_at:
            self._why = self._why or f"it did not serve within {self._options.upgrade_timeout:g} s"
            self.give_up()
        return False

    def give_up(self) -> None:
        """Tell the successor to end; nothing was taken from us. ``ended`` says that it has."""
        self.close()
        if self.pending:
            os.kill(self.successor.pid, signal.SIGTERM)
            self._give_up_at = time.monotonic() + END_WITHIN_S

    def ended(self, status: int) -> None:
        """The successor has ended without having taken over."""
        pid, self.successor.pid = self.successor.pid, 0
        if self.end is not None:
            with contextlib.suppress(EOFError):
                while said := self.end.heard():
                    self._why = said.get("failed", self._why)
        self.close()
        why = self._why or "the log says why"
        self._report("failed", f"the new process {pid} {describe_exit(status)}: {why}")

    def give(self) -> bool:
        """Let the successor have everything; False when it is gone."""
        if self.end is None or not self.end.say({"yours": True}):
            return False
        # From the process that systemd still takes for the main one: it listens to nobody else.
        notify(f"MAINPID={self.successor.pid}")
        self._report("done", f"process {self.successor.pid} has taken over from process {os.getpid()}")
        # No child to be waited for any more: it outlives us. The end stays open: by its closing the successor knows
        # that nothing is left of this generation.
        self.successor.pid = 0
        return True

    def _report(self, state: str, message: str) -> None:
        """Into the log, and for `microgate upgrade`, which waits for the file to change."""
        log.log(logging.INFO if state == "done" else logging.ERROR, "upgrade: %s", message)
        path = self._holdings.paths.upgrade
        try:
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                json.dump({"state": state, "message": message}, file)
            os.replace(f"{path}.new", path)
        except OSError as error:
            log.warning("upgrade: the outcome cannot be written: %s", error)
