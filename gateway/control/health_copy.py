"""How provider keys and deployments stood at one moment: a copy of their lines of the arena, for this process to read.

What reads health (``_speedups/_health.pyx``, ``_speedups/_keys.pyx``) is a worker's and wants a worker's place in an
arena. Control has none, so it takes the only place in an arena of its own, which is gone when it has been looked at.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

import msgspec

from _speedups._bucket import Arena, ArenaWorker
from _speedups._keys import MAX_KEYS
from gateway.control.provider_call import Place
from gateway.serving import Upstream
from gateway.snapshot.model import Provider, Snapshot
from gateway.upstream.origin import Origin


@contextlib.contextmanager
def upstreams_of(snapshot: Snapshot, arena: Arena, directory: str) -> Iterator[dict[str, Upstream]]:
    """Provider's name -> the provider as a worker has it, with the health that ``arena`` tells now. ``directory`` takes
    a file of some hundred bytes a slot for as long. Blocks on files: call it on a thread. Raises OSError."""
    slots = list(_slots(snapshot))
    number = {slot: place for place, slot in enumerate(slots)}
    with tempfile.TemporaryDirectory(prefix="health-", dir=directory) as own:
        copy = Arena.create(
            os.path.join(own, "arena"), workers=arena.workers, capacity=max(1, len(slots)), reservations=1
        )
        worker = ArenaWorker(copy, 0)
        try:
            _copy_lines(arena, copy, slots)
            yield {
                name: Upstream(_placed(spec, number), worker, Place(Origin.of(spec)))
                for name, spec in snapshot.providers.items()
                if spec.enabled and len(spec.keys) <= MAX_KEYS
            }
        finally:
            worker.close()
            copy.close()


def _slots(snapshot: Snapshot) -> Iterator[int]:
    for spec in snapshot.providers.values():
        yield from (key.health_slot for key in spec.keys if key.health_slot >= 0)
        yield from (slot for slot in spec.deployments.values() if slot >= 0)


def _copy_lines(arena: Arena, copy: Arena, slots: list[int]) -> None:
    width = arena.geometry.limit_words
    for place, slot in enumerate(slots):
        source, at = arena.line(slot)
        target, there = copy.line(place)
        target.q[there : there + width] = source.q[at : at + width]


def _placed(spec: Provider, number: dict[int, int]) -> Provider:
    """The provider, its slots those of the copy."""
    keys = tuple(msgspec.structs.replace(key, health_slot=number.get(key.health_slot, -1)) for key in spec.keys)
    deployments = {model: number.get(slot, -1) for model, slot in spec.deployments.items()}
    return msgspec.structs.replace(spec, keys=keys, deployments=deployments)
