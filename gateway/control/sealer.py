"""Seal a plan: ``python -m gateway.control.sealer KEY_FILE SEALED VERSION``, the plan as msgpack on standard input.

A child of the control process: the cipher's library would cost it 7 MiB for as long as it lives.
"""

from __future__ import annotations

import os
import sys

import msgspec

from gateway.snapshot.plan import Plan
from gateway.snapshot.sealing import seal
from gateway.snapshot.store import StoreError, load_or_create_keys


def main(arguments: list[str]) -> int:
    key_file, sealed, version = arguments
    os.umask(0o077)
    try:
        plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
        seal(sealed, load_or_create_keys(key_file).sealing, plan, int(version))
    except (StoreError, OSError, ValueError) as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
