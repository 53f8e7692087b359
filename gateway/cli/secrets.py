"""``microgate secrets``: master keys of the running gateway, asked over its admin socket."""

from __future__ import annotations

import sys
from typing import TextIO

from gateway.cli.running import Unreachable, ask
from gateway.secrets import master_key

EXIT_FAILED = 1


def generate(out: TextIO) -> int:
    """Print a new master key; it is stored nowhere."""
    print(master_key.generate(), file=out)
    return 0


def show(data_dir: str, out: TextIO) -> int:
    """Print which keys there are and which are in use."""
    return _told(data_dir, "GET", "/api/secrets", None, out)


def rotate(data_dir: str, drop: bool, out: TextIO) -> int:
    """Have every secret encrypted with a new key, and say what there is then."""
    return _told(data_dir, "POST", "/api/secrets/rotate", {"drop": drop}, out)


def _told(data_dir: str, method: str, path: str, body: object, out: TextIO) -> int:
    try:
        told = ask(data_dir, method, path, body)
    except Unreachable as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    if not told["keys"]:
        print("nothing was ever encrypted here: there is no master key", file=out)
        return 0
    print(f"master keys from {told['source']}", file=out)
    for place, key_id in enumerate(told["keys"]):
        use = "encrypts" if place == 0 else "in use" if key_id in told["in_use"] else "not in use"
        print(f"  {key_id}  {use}", file=out)
    if method == "POST":
        print(f"{told['encrypted_anew']} entities encrypted anew", file=out)
    if told["unreadable"]:
        print(f"{told['unreadable']} entities can be opened with none of these keys", file=out)
        return EXIT_FAILED
    return 0
