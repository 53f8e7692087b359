"""The ``microgate`` command. ``serve`` goes its own, short way; everything else is click's."""

from __future__ import annotations

import sys
from importlib import import_module

from gateway.processes.first import BootProcess
from gateway.processes.limits import no_core_dumps

_HELP = frozenset({"--help", "-h"})


def main() -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"] and _HELP.isdisjoint(arguments):
        no_core_dumps()
        # Before even the options are read: from here on two processors work on the start.
        boot = BootProcess("gateway.boot:prepare")
        try:
            sys.exit(import_module("gateway.cli.serve").main(arguments[1:], boot))
        except KeyboardInterrupt:
            # Before the supervisor takes signals; from then on it ends in order.
            sys.exit(130)
        finally:
            boot.close()
    import_module("gateway.cli.commands").cli(prog_name="microgate")


if __name__ == "__main__":
    main()
