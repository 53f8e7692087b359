"""How much memory there is and how much of it is taken: of the control group, of this process, or of the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

GROUP_VARIABLE = "MICROGATE_CGROUP"
"""Directory of the control group whose memory counts, where it is not found by itself."""

_GROUPS = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_UNBOUNDED = 1 << 60
"""Control groups of version 1 say "unlimited" with the greatest multiple of a page."""
GOOD_PART = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Group:
    """A control group with a limit. Raises OSError or ValueError when it has none."""

    def __init__(self, folder: Path) -> None:
        newer = (folder / "memory.max").exists()
        self.limit = int((folder / ("memory.max" if newer else "memory.limit_in_bytes")).read_text())
        if self.limit >= _UNBOUNDED:
            raise ValueError(f"{folder} has no limit")
        self._used = folder / ("memory.current" if newer else "memory.usage_in_bytes")
        self._stat = folder / "memory.stat"
        self._idle_file = "inactive_file " if newer else "total_inactive_file "
        self.used()

    def used(self) -> int:
        """Bytes taken, without the pages of files that the kernel gives up when asked."""
        used = int(self._used.read_text())
        if used < self.limit * 0.8:
            # The statistics cost ten times as much to read, and there is enough.
            return used
        for line in self._stat.read_text().splitlines():
            if line.startswith(self._idle_file):
                return max(0, used - int(line[len(self._idle_file) :]))
        return used


class AddressSpace:
    """What RLIMIT_AS allows this process. Raises ValueError when it is unlimited."""

    def __init__(self) -> None:
        self.limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if self.limit == resource.RLIM_INFINITY:
            raise ValueError("the address space has no limit")

    def used(self) -> int:
        return int((_PROC / "self/statm").read_text().split()[0]) * _PAGE_BYTES


class Machine:
    """All there is. What other programs have taken counts only where this process has a good part of it: refusing
    requests would give nothing back otherwise."""

    def __init__(self) -> None:
        self.limit = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES

    def used(self) -> int:
        own = int((_PROC / "self/statm").read_text().split()[1]) * _PAGE_BYTES
        if own < self.limit * GOOD_PART:
            return own
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return max(0, self.limit - int(line.split()[1]) * 1024)
        return 0


class Meter:
    """Of everything that bounds this process's memory, what is nearest to its bound."""

    def __init__(self, root: Path = _GROUPS) -> None:
        self._sources: list[Group | AddressSpace | Machine] = [Machine()]
        try:
            self._sources.append(AddressSpace())
        except ValueError:
            pass
        for folder in _folders(root):
            try:
                self._sources.append(Group(folder))
            except (OSError, ValueError):
                continue
        self.limit = min(source.limit for source in self._sources)
        """The least bound, in bytes."""

    def read(self) -> tuple[int, int]:
        """(bytes used, bytes there are) of the source that is nearest to its bound; (0, 1) when none can be read."""
        worst = 0, 1
        for source in self._sources:
            try:
                used = source.used()
            except (OSError, ValueError):
                continue
            if used * worst[1] >= worst[0] * source.limit:
                worst = used, source.limit
        return worst


def _folders(root: Path) -> Iterator[Path]:
    """The control groups that this process is in, innermost first."""
    named = os.environ.get(GROUP_VARIABLE)
    if named:
        yield Path(named)
        return
    try:
        lines = (_PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        # In a container the path may be the host's: then what bounds it stands at the top.
        folder = top / path.lstrip("/")
        while folder != top and top in folder.parents:
            yield folder
            folder = folder.parent
        yield top
