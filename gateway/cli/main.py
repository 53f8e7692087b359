"""The ``microgate`` command. ``serve`` goes its own, short way; everything else is click's."""

from __future__ import annotations

import sys
from importlib import import_module

from gateway.cli import serve


def main() -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        try:
            sys.exit(serve.main(arguments[1:]))
        except serve.UsageError as error:
            print(f"microgate: {error}", file=sys.stderr)
            sys.exit(2)
    import_module("gateway.cli.commands").cli(prog_name="microgate")


if __name__ == "__main__":
    main()
