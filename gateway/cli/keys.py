"""``microgate keys``: make a virtual key, and the hash by which a configuration can know one. Nothing is stored."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TextIO

from gateway import virtual_key
from gateway.snapshot.digest import hash_of

EXIT_WRONG = 2


def generate(with_hash: bool, out: TextIO) -> int:
    """Print a new key, with its hash on the next line when that is wanted."""
    key = virtual_key.generate()
    print(key, file=out)
    if with_hash:
        print(hash_of(key.encode()), file=out)
    return 0


def print_hash(source: TextIO, out: TextIO) -> int:
    """Print the hash of the key that is the only line of ``source``. It is never taken from the command line, which
    every user of the machine can read; a terminal does not show it."""
    key = getpass("Key: ") if source.isatty() else source.read(65536)
    key = key.strip()
    if not key or len(key.split()) > 1:
        print("microgate: expected one key on standard input", file=sys.stderr)
        return EXIT_WRONG
    if virtual_key.is_mistyped(key.encode()):
        print(
            "microgate: warning: this looks like one of the gateway's keys, but its checksum is wrong", file=sys.stderr
        )
    print(hash_of(key.encode()), file=out)
    return 0
