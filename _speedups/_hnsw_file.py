"""The file behind a vector index: layout, creation, the checks before it is mapped, growth. Shared by both twins.

One page of header, the table of scopes (a power of two of 4-byte heads), then segments of 1,024 slots each. The file is
as long as the segments it has, and processes map it at the length it may once reach; a segment's space is allocated
before the capacity that counts it is published, so that no access can end in SIGBUS, on a full disk neither.

A segment has three parts: one *node* per slot (64 bytes of head, the quantised vector, the links of level 0), with
``float32`` one vector per slot, and the links of the upper levels. A link is a slot's number plus one; 0 ends a list.

Which slots stand on upper levels is a function of their number (``_hnsw_file.h``): one of every M slots on level 1, one
of every M squared on level 2, and so on, at a place within its group that a hash chooses. So every list has its place
from the beginning, and nothing has to be allocated, freed or recovered.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from typing import Final, NamedTuple

MAGIC: Final = int.from_bytes(b"mghnsw\0\1", "little")
VERSION: Final = 1
PAGE: Final = 4096
SEGMENT: Final = 1024
"""Slots of a segment: 2 MiB of 384 dimensions."""
HEAD: Final = 64
"""Bytes of a node's head: sequence, alive, scope, key, expires_s, scale, error, next, before, next_scope, members."""
NODE: Final = struct.Struct("<IIQQIffIIII12x")
LAYOUT: Final = SEGMENT << 32 | HEAD << 16 | VERSION

# Words of the header. The first twelve never change and are covered by the checksum.
W_MAGIC, W_LAYOUT, W_VERSION, W_DIM, W_KIND, W_M, W_EF, W_MOST, W_BUCKETS, W_NAME, W_CHECKSUM = range(11)
W_CAPACITY, W_COUNT, W_LIVE, W_ENTRY = 16, 17, 18, 19
W_IN_PROGRESS, W_GENERATION, W_OPEN, W_WHOLE = 24, 25, 26, 27

KINDS: Final = {"float32": 0, "int8": 1}
DEFAULT_EF: Final = 64
CHECKS: Final = 20
MAX_DIM: Final = 16384
MAX_VECTORS: Final = 1 << 31
"""Slots plus one are kept in 32 bits."""


class UnusableIndex(ValueError):
    """The file is damaged, cut short, of another shape, or was open when its machine went down: make it anew."""


class IndexFull(Exception):
    """As many vectors are alive as the file may hold."""


def _up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


class Shape(NamedTuple):
    """What a file was made for; everything about its layout follows."""

    dim: int
    kind: int
    m: int
    ef_construction: int
    most: int

    @property
    def code_bytes(self) -> int:
        """A quantised vector, in whole cache lines."""
        return _up(self.dim, 64)

    @property
    def node_stride(self) -> int:
        return HEAD + self.code_bytes + _up(8 * self.m, 64)

    @property
    def vector_stride(self) -> int:
        """0 when only the quantised vector is kept."""
        return 0 if self.kind else _up(4 * self.dim, 64)

    @property
    def shift(self) -> int:
        """log2 of how many slots share one of the next level."""
        return max(1, (self.m * self.m // 2).bit_length() // 2)

    @property
    def levels(self) -> int:
        """Level 0 included. The highest has a handful of slots in the largest file."""
        return 1 + 24 // self.shift

    @property
    def upper_at(self) -> list[int]:
        """Where the links of each level from 1 on begin in a segment, and behind the last its end."""
        at, found = SEGMENT * (self.node_stride + self.vector_stride), []
        for level in range(1, self.levels):
            found.append(at)
            at += max(1, SEGMENT >> self.shift * level) * 4 * self.m
        return [*found, at]

    @property
    def segment_bytes(self) -> int:
        return _up(self.upper_at[-1], PAGE)

    @property
    def buckets(self) -> int:
        return 1 << max(10, (self.most // 2).bit_length())

    @property
    def segments_at(self) -> int:
        return PAGE + _up(4 * self.buckets, PAGE)

    @property
    def most_segments(self) -> int:
        return -(-self.most // SEGMENT)

    def bytes_of(self, segments: int) -> int:
        return self.segments_at + segments * self.segment_bytes

    @property
    def most_bytes(self) -> int:
        return self.bytes_of(self.most_segments)


def shape_of(dim: int, kind: str, m: int, ef_construction: int, most: int) -> Shape:
    """Raises ValueError for what no index can be."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: must be one of {', '.join(KINDS)}")
    for name, value, low, high in (
        ("dim", dim, 1, MAX_DIM),
        ("m", m, 2, 128),
        ("ef_construction", ef_construction, 1, 4096),
        ("most", most, 1, MAX_VECTORS),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} {value}: must be {low} to {high}")
    return Shape(dim, KINDS[kind], m, ef_construction, most)


def this_boot() -> int:
    """The kernel's name of this boot, as a word that is not 0."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return zlib.crc32(file.read()) | 1 << 32
    except OSError:
        return 1 << 32


def _checksum(words: tuple[int, ...]) -> int:
    return zlib.crc32(struct.pack(f"<{W_CHECKSUM}Q", *words[:W_CHECKSUM])) | 1 << 32


def _make(fd: int, shape: Shape) -> None:
    """Header and table; the magic last, so that a file whose making was interrupted is made again."""
    os.ftruncate(fd, 0)
    os.posix_fallocate(fd, 0, shape.bytes_of(0))
    words = [0] * (PAGE // 8)
    words[:W_CHECKSUM] = [
        MAGIC, LAYOUT, VERSION, shape.dim, shape.kind, shape.m, shape.ef_construction, shape.most, shape.buckets,
        time.time_ns(),
    ]  # fmt: skip
    words[W_CHECKSUM] = _checksum(tuple(words))
    words[W_WHOLE] = 1
    page = struct.pack(f"<{PAGE // 8}Q", *words)
    os.pwrite(fd, page[8:], 8)
    os.pwrite(fd, page[:8], 0)


def check(fd: int, path: str) -> Shape:
    """The shape of a file that may be mapped. Raises UnusableIndex."""
    page = os.pread(fd, PAGE, 0)
    if len(page) < PAGE:
        raise UnusableIndex(f"{path}: cut short, it has {len(page)} bytes")
    words = struct.unpack(f"<{PAGE // 8}Q", page)
    if words[W_MAGIC] != MAGIC:
        raise UnusableIndex(f"{path}: not a vector index")
    if words[W_LAYOUT] != LAYOUT or words[W_VERSION] != VERSION:
        raise UnusableIndex(f"{path}: of another version")
    if words[W_CHECKSUM] != _checksum(words):
        raise UnusableIndex(f"{path}: the header is damaged")
    shape = Shape(*words[W_DIM : W_MOST + 1])
    for _ in range(CHECKS):
        if _possible(shape, words):
            break
        # The writer may have changed one word before another was read.
        time.sleep(0.001)
        words = struct.unpack(f"<{PAGE // 8}Q", os.pread(fd, PAGE, 0))
    else:
        raise UnusableIndex(f"{path}: the header's counts cannot be")
    size, needed = os.fstat(fd).st_size, shape.bytes_of(words[W_CAPACITY] // SEGMENT)
    if size < needed:
        raise UnusableIndex(f"{path}: cut short, it has {size} of {needed} bytes")
    if words[W_OPEN] not in (0, this_boot()):
        raise UnusableIndex(f"{path}: was being written when its machine went down")
    return shape


def _possible(shape: Shape, words: tuple[int, ...]) -> bool:
    capacity, count = words[W_CAPACITY], words[W_COUNT]
    return (
        capacity % SEGMENT == 0
        and count <= capacity <= shape.most_segments * SEGMENT
        and words[W_LIVE] <= count
        and words[W_ENTRY] <= count
        and words[W_IN_PROGRESS] <= count + 1
    )


def open_to_write(path: str, wanted: Shape) -> int:
    """A locked descriptor of the index, made when there is none. Raises UnusableIndex, BlockingIOError while another
    process writes it, OSError when it cannot be had."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"{path}: another process writes this index") from None
            if not is_at(fd, path):
                os.close(fd)
                continue
            if os.pread(fd, 8, 0).strip(b"\0") == b"":
                _make(fd, wanted)
            found = check(fd, path)
            if found != wanted:
                raise UnusableIndex(f"{path}: made for {found}, not for {wanted}")
            # A copy may have holes, and a full disk would show there as SIGBUS.
            capacity = int.from_bytes(os.pread(fd, 8, 8 * W_CAPACITY), "little")
            os.posix_fallocate(fd, 0, found.bytes_of(capacity // SEGMENT))
        except BaseException:
            os.close(fd)
            raise
        return fd


def open_to_read(path: str) -> tuple[int, Shape]:
    """Descriptor and shape. Raises FileNotFoundError, UnusableIndex."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fd, check(fd, path)
    except BaseException:
        os.close(fd)
        raise


def is_at(fd: int, path: str) -> bool:
    """Whether the name still leads to this file."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def grow(fd: int, shape: Shape, capacity: int) -> int:
    """Allocate further segments, an eighth of what there is; the capacity to publish. Raises OSError (ENOSPC)."""
    have = capacity // SEGMENT
    more = min(max(1, have // 8), shape.most_segments - have)
    os.posix_fallocate(fd, shape.bytes_of(have), more * shape.segment_bytes)
    return (have + more) * SEGMENT
