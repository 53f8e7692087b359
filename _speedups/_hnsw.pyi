"""Nearest vectors by cosine, within a scope, in a file that one process writes and many read without locks.

Vectors are little-endian float32 of length 1, as bytes; scopes and keys are 64-bit unsigned integers; a scope's vectors
are found by whoever names that scope, and by nobody else. Compiled, a scope with many members is searched through an
HNSW graph (arXiv 1603.09320) that spans all scopes, any other is compared whole; pure, every scope is compared whole.
"""

from typing import final

from _speedups._hnsw_file import DEFAULT_EF as DEFAULT_EF
from _speedups._hnsw_file import IndexFull as IndexFull
from _speedups._hnsw_file import UnusableIndex as UnusableIndex

@final
class IndexReader:
    """Any number at a time, in any process. What its writer does is seen at once."""

    def __init__(self, path: str, _kernels: int = 2) -> None:
        """Raises FileNotFoundError; UnusableIndex for a file that is damaged, cut short, of another version, or that
        was being written when its machine went down; OSError when it cannot be mapped."""

    path: str
    kernels: str
    """Which dot products are used: plain, avx2, avx512; python."""
    compared: int
    """How many vectors the last search looked at."""

    def nearest(self, scope: int, vector: bytes, most: int, ef: int = 64) -> list[tuple[int, float]]:
        """(key, cosine) of at most ``most`` vectors of the scope, the nearest first; what is over is left out. Cosines
        are those of the stored vector, which with ``int8`` is the quantised one. ``ef`` is how many candidates a search
        of the graph keeps: more find more. Another thread's call is waited for, without the interpreter's lock.
        Raises ValueError for a vector of another dimension or length, and when the index is closed."""

    def __len__(self) -> int: ...
    def stats(self) -> dict[str, int]:
        """``vectors``; ``tombstones``, slots of removed vectors; ``capacity``, slots; ``most``, vectors it may hold;
        ``generation``, how often it was cleared; ``bytes`` of the file."""

    def replaced(self) -> bool:
        """Whether the path leads to another file by now, or to none."""

    def close(self) -> None:
        """Let go of the file. Again: nothing."""

@final
class IndexWriter:
    """One at a time. Killed at any moment it leaves a file that the next one opens; readers meet a removed vector at
    worst, never a torn one."""

    def __init__(
        self,
        path: str,
        dim: int,
        kind: str = "float32",
        m: int = 16,
        ef_construction: int = 128,
        most: int = 1000000,
    ) -> None:
        """Opens the file, or makes it. ``kind`` int8 keeps a quarter of the bytes; ``m`` links a slot, twice as many on
        the lowest level; ``ef_construction`` candidates for them; at most ``most`` vectors. Finishes what a killed
        writer had begun. Raises ValueError for what no index can be, UnusableIndex (also for one of other parameters:
        unlink it and open again), BlockingIOError while another process writes it, OSError when disk or memory
        refuse."""

    def put(self, scope: int, key: int, vector: bytes, expires_s: int = 0) -> int:
        """Keep a vector until ``expires_s`` (wall clock; 0: for ever); a key that is there already is replaced, and
        missed by readers for a moment. Returns its slot. Raises IndexFull, ValueError for the vector, and OSError
        (ENOSPC) when the file cannot grow; then the key is not there."""

    def remove(self, key: int) -> bool:
        """Whether it was there."""

    def expire(self, now_s: int) -> int:
        """Remove what is over; how many that were. One look at every slot."""

    def clear(self) -> None:
        """Remove everything."""

    def flush(self) -> None:
        """To disk: until the next change the file can be copied, and survives its machine."""

    path: str
    kernels: str
    compared: int

    def nearest(self, scope: int, vector: bytes, most: int, ef: int = 64) -> list[tuple[int, float]]:
        """This and what follows: as of ``IndexReader``."""

    def __len__(self) -> int: ...
    def stats(self) -> dict[str, int]: ...
    def replaced(self) -> bool: ...
    def close(self) -> None:
        """Flush, and let go of the file. Again: nothing."""
