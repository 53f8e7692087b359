"""The boot process: forked as the very first thing, so that its imports and the supervisor's run side by side.

It imports what prepares the first snapshot, waits until it is told the options (the port is known only once it is
bound, the arena only once it is made), prepares, and exits. Imported before all others: standard library only,
and little of it.
"""

from __future__ import annotations

import marshal
import os
import signal

from gateway.processes.children import fork, load


class BootProcess:
    """``entry`` is ``module:function``; it gets BootOptions and Paths and returns an exit status."""

    def __init__(self, entry: str) -> None:
        self._entry = entry
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        self.pid = fork("mg-boot", self._main, [], signal.SIGKILL)
        """0 once it was waited for."""
        os.close(self._read)

    def _main(self) -> int:
        os.close(self._write)
        prepare = load(self._entry)
        context = load("gateway.processes.context:BootOptions"), load("gateway.processes.paths:Paths")
        with open(self._read, "rb") as pipe:
            told = pipe.read()
        if not told:
            # The supervisor gave up before it got this far.
            return 1
        data_dir, values = marshal.loads(told)  # noqa: S302 - the other end of the pipe is our own parent
        make_options, make_paths = context
        return int(prepare(make_options(**values), make_paths(data_dir)) or 0)

    def go(self, data_dir: str, options: dict[str, object]) -> None:
        """Prepare now, with these fields of BootOptions."""
        with open(self._write, "wb") as pipe:
            self._write = -1
            marshal.dump((data_dir, options), pipe)

    def poll(self) -> int | None:
        """What waitpid() says once it has ended, None before."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.pid = 0
        return status

    def close(self) -> None:
        """End it, whatever it does."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
