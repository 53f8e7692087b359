"""CPU time and memory of a process and everything it started, from /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


def members(root: int) -> list[int]:
    """The process and its living descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                children.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(sorted(children.get(pid, ())))
    return found


@dataclass(frozen=True, slots=True)
class Member:
    """One process at one moment."""

    pid: int
    parent: int
    name: str
    """As set by prctl; at first the program's."""
    command: str
    cpu_us: int
    """User and system time, ended children included."""
    rss: int
    pss: int
    """Bytes; PSS shares every page among those who map it."""


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def member(pid: int, *, memory: bool) -> Member | None:
    """One process now, None when it has ended. Reading PSS walks its page tables, so it is only done for ``memory``."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        ticks = sum(map(int, fields[11:15]))
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        pss = _pss(pid) if memory else 0
        return Member(pid, int(fields[1]), name, command, ticks * _TICK_US, resident, pss)
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process tree at one moment."""

    members: dict[int, Member] = field(default_factory=dict)

    @property
    def cpu_us(self) -> int:
        return sum(one.cpu_us for one in self.members.values())

    @property
    def rss(self) -> int:
        return sum(one.rss for one in self.members.values())

    @property
    def pss(self) -> int:
        return sum(one.pss for one in self.members.values())


def snapshot(root: int, *, memory: bool = False) -> Snapshot:
    """The whole tree under ``root``."""
    found = (member(pid, memory=memory) for pid in members(root))
    return Snapshot({one.pid: one for one in found if one is not None})


def cpu_between(before: Snapshot, after: Snapshot) -> dict[int, int]:
    """Microseconds of CPU each process used between two snapshots; one that was started in between counts whole."""
    return {
        pid: one.cpu_us - (before.members[pid].cpu_us if pid in before.members else 0)
        for pid, one in after.members.items()
    }
