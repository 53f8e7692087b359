"""What a process may have: open files, caller connections because of that, and no core dumps."""

from __future__ import annotations

import resource

RESERVED_FILES = 256
"""Files that are not connections: the gateway's own sockets, pipes, the arena and its rings, epoll, DNS look-ups."""


def raise_open_files() -> int:
    """Raise RLIMIT_NOFILE to its hard limit and return the limit in force; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            # Some sandboxes refuse even this; the soft limit then stands.
            return soft
    return hard


def connection_cap(open_files: int) -> int:
    """Caller connections a worker takes at once: each may need a second file towards a provider."""
    return max(16, (open_files - RESERVED_FILES) // 2)


def no_core_dumps() -> None:
    """A dump of memory would hold every secret there is; children inherit it. ``prlimit --core`` allows one again."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
