"""Damage an LMDB cache in many ways and open it each time, in a process of its own: what is not noticed ends it.

Prints for each case how many answers were left: none, or all.
"""

from __future__ import annotations

import os
import random
import shutil
import sys

from gateway.stores.lmdb_answers import LmdbAnswers
from gateway.stores.lmdb_files import read_current
from tests.stores.answers import answer, key, row

PAGE = 4096
KEPT = range(200)


def size_of(number: int) -> int:
    return [10, 500, 1900, 3000, 9000][number % 5]


def fill(directory: str) -> None:
    """A file with answers of many sizes, some of which were replaced and removed again, so that it has free pages."""
    store = LmdbAnswers(directory, 4 << 20)
    for first in range(0, 300, 50):
        store.put([row(number, size_of(number)) for number in range(first, first + 50)])
    store.remove([key(number) for number in range(len(KEPT), 300)])
    store.put([row(number, size_of(number)) for number in KEPT if number % 7 == 0])
    store.close()


def damage(path: str, how: str, lot: random.Random) -> None:
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        page = lot.randrange(size // PAGE) * PAGE
        if how == "bit":
            data[lot.randrange(size)] ^= 1 << lot.randrange(8)
        elif how == "header":  # of a page or its nodes, where the structure is
            data[page + lot.randrange(64)] ^= 1 << lot.randrange(8)
        elif how == "bytes":
            for _ in range(20):
                data[lot.randrange(size)] = lot.randrange(256)
        elif how == "zeroed":
            data[page : page + PAGE] = bytes(PAGE)
        elif how == "noise":
            data[page : page + PAGE] = lot.randbytes(PAGE)
        elif how == "copied":
            other = lot.randrange(size // PAGE) * PAGE
            data[page : page + PAGE] = data[other : other + PAGE]
        elif how == "meta":
            data[lot.randrange(2) * PAGE + lot.randrange(160)] ^= 1 << lot.randrange(8)
        elif how == "truncated":
            del data[lot.randrange(size) :]
        elif how == "empty":
            del data[:]
        file.seek(0)
        file.write(data)
        file.truncate()


WAYS = ["bit", "header", "bytes", "zeroed", "noise", "copied", "meta", "truncated", "empty"]


def main(pristine: str, work: str, rounds: int) -> None:
    for number in range(rounds):
        for how in WAYS:
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(pristine, work)
            current = read_current(work)
            assert current is not None
            path = os.path.join(work, current.generation, "data.mdb")
            damage(path, how, random.Random(f"{how}{number}"))
            store = LmdbAnswers(work, 4 << 20)
            found = [store.get(key(each)) for each in KEPT]
            assert all(got in (None, answer(each, size_of(each))) for each, got in zip(KEPT, found, strict=True))
            left = len(KEPT) - found.count(None)
            print(how, number, left, flush=True)
            # It goes on as if nothing had happened, evicting and reusing pages.
            for first in range(1000, 1400, 100):
                store.put([row(each, 9000) for each in range(first, first + 100)])
            assert store.get(key(1399)) == answer(1399, 9000)
            assert store.status().ok
            store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
