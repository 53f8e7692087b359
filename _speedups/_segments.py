"""The arena's files: created whole or not at all, mapped when needed."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from contextlib import suppress

from _speedups._layout import (
    H_BOOT,
    H_BOOT2,
    H_CAPACITY,
    H_LAYOUT,
    H_MAGIC,
    H_RESERVATIONS,
    H_SEGMENTS,
    H_WALL_OFFSET,
    H_WORKERS,
    LAYOUT,
    MAGIC,
    PAGE,
    Geometry,
)


class Segment:
    """One mapped file as signed and as unsigned words; ``limits`` and ``rolling`` are offsets in words."""

    __slots__ = ("limits", "mapping", "q", "rolling", "u")

    def __init__(self, mapping: mmap.mmap, limits: int, geometry: Geometry) -> None:
        self.mapping = mapping
        self.q = memoryview(mapping).cast("q")
        self.u = memoryview(mapping).cast("Q")
        self.limits = limits
        self.rolling = limits + geometry.capacity * geometry.limit_words

    def close(self) -> None:
        self.q.release()
        self.u.release()
        # A worker may still look at it: then the mapping goes when the worker does.
        with suppress(BufferError):
            self.mapping.close()


def create_file(path: str, size: int) -> tuple[mmap.mmap, str]:
    """A new, allocated, zeroed mapping under a provisional name (second value): to be renamed when its header stands.
    Raises OSError (ENOSPC, EFBIG) when there is no room; nothing is left behind then."""
    fresh = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh)
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
        return mmap.mmap(fd, size), fresh
    except BaseException:
        os.unlink(fresh)
        raise
    finally:
        os.close(fd)


def map_file(path: str) -> mmap.mmap:
    """Raises FileNotFoundError, or ValueError for an empty file."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(fd, 0)
    finally:
        os.close(fd)


def boot_words(boot_id: bytes) -> tuple[int, int]:
    """The boot's name as two header words; without one given, the kernel's."""
    if not boot_id:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot_id = file.read().strip()
    digest = hashlib.blake2b(boot_id, digest_size=14).digest()
    return int.from_bytes(digest[:7], "little"), int.from_bytes(digest[7:], "little")


def create_first(path: str, geometry: Geometry, boot: tuple[int, int]) -> Segment:
    """A new arena in place of what was at path; its growth segments go away with it."""
    mapping, fresh = create_file(path, 8 * (geometry.first_segment + geometry.segment_words))
    first = Segment(mapping, geometry.first_segment, geometry)
    q = first.q
    q[H_LAYOUT], q[H_WORKERS], q[H_CAPACITY] = LAYOUT, geometry.workers, geometry.capacity
    q[H_RESERVATIONS], q[H_BOOT], q[H_BOOT2], q[H_SEGMENTS] = geometry.reservations, *boot, 1
    q[H_WALL_OFFSET] = time.time_ns() - time.monotonic_ns()
    q[H_MAGIC] = MAGIC
    number = 1
    with suppress(FileNotFoundError):
        while True:
            os.unlink(f"{path}.{number}")
            number += 1
    os.rename(fresh, path)
    return first


def open_first(path: str) -> tuple[Segment, Geometry]:
    """Map an existing arena. Raises FileNotFoundError, or ValueError when magic, layout or size differ."""
    mapping = map_file(path)
    if len(mapping) < PAGE:
        raise ValueError(f"{path}: not an arena")
    words = memoryview(mapping).cast("q")
    magic, layout = words[H_MAGIC], words[H_LAYOUT]
    geometry = Geometry(words[H_WORKERS], words[H_CAPACITY], words[H_RESERVATIONS])
    words.release()
    if magic != MAGIC or layout != LAYOUT:
        raise ValueError(f"{path}: not an arena of this layout")
    if len(mapping) != 8 * (geometry.first_segment + geometry.segment_words):
        raise ValueError(f"{path}: its size does not fit its header")
    return Segment(mapping, geometry.first_segment, geometry), geometry


def create_next(path: str, number: int, geometry: Geometry) -> None:
    """Growth segment ``number``; one left by a builder that died before publishing it is made anew."""
    mapping, fresh = create_file(f"{path}.{number}", 8 * geometry.segment_words)
    mapping.close()
    os.rename(fresh, f"{path}.{number}")


def open_next(path: str, number: int, geometry: Geometry) -> Segment:
    """Raises ValueError when its size is wrong."""
    mapping = map_file(f"{path}.{number}")
    if len(mapping) != 8 * geometry.segment_words:
        raise ValueError(f"{path}.{number}: not a segment of this arena")
    return Segment(mapping, 0, geometry)
