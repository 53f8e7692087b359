"""A worker in small: a process that reads the LMDB cache which the test writes. LMDB forbids both in one process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.stores.lmdb_reader import LmdbReader

ROOT = str(Path(__file__).resolve().parents[2])


class Peer:
    """Each call is one question to the process; it answers before the call returns."""

    def __init__(self, directory: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.lmdb_peer", directory],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ask("refresh") in ("True", "False")

    def _ask(self, *words: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        assert said, "the reading process has died"
        return said

    def get(self, key: bytes) -> bytes | None:
        said = self._ask("get", key.hex())
        return None if said == "None" else bytes.fromhex(said[1:])

    def refresh(self) -> bool:
        return self._ask("refresh") == "True"

    def hold(self, key: bytes) -> None:
        """Begin to read, and never end."""
        assert self._ask("hold", key.hex()) == "held"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def peer(directory: str) -> Iterator[Peer]:
    made = Peer(directory)
    try:
        yield made
    finally:
        made.kill()


def main(directory: str) -> None:
    reader = LmdbReader(directory)
    held = []
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "refresh":
            print(reader.refresh(), flush=True)
        elif verb == "get":
            found = reader.get(bytes.fromhex(words[0]))
            print(found if found is None else "+" + found.hex(), flush=True)
        else:
            held.append(reader._begin(reader._answers))
            held[-1].get(bytes.fromhex(words[0]))
            print("held", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
