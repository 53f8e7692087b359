"""How much memory counts as taken: by control groups of both versions, by limits, by the machine."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from gateway.overload import memory
from gateway.overload.memory import GROUP_VARIABLE, AddressSpace, Group, Machine, Meter

MIB = 2**20
TINY = 64 * 4096
"""Less than any machine has: what counts then is nearest to its bound."""


def group(folder: Path, limit: object, used: int, idle: int = 0) -> Path:
    """As version 2 shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {idle}\nactive_file 5\n")
    return folder


def test_a_group_of_version_2(tmp_path: Path) -> None:
    made = Group(group(tmp_path, 100 * MIB, 40 * MIB))
    assert (made.limit, made.used()) == (100 * MIB, 40 * MIB)


def test_a_group_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text(f"{100 * MIB}\n")
    (tmp_path / "memory.usage_in_bytes").write_text(f"{90 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {30 * MIB}\n")
    made = Group(tmp_path)
    assert (made.limit, made.used()) == (100 * MIB, 60 * MIB)


def test_files_that_can_be_given_up_do_not_count_once_it_matters(tmp_path: Path) -> None:
    made = Group(group(tmp_path, 100 * MIB, 70 * MIB, idle=30 * MIB))
    assert made.used() == 70 * MIB
    group(tmp_path, 100 * MIB, 95 * MIB, idle=30 * MIB)
    assert made.used() == 65 * MIB


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_a_group_without_a_limit_is_none(tmp_path: Path, limit: str) -> None:
    folder = group(tmp_path, limit, MIB)
    if limit.isdigit():
        # As version 1 says it.
        (folder / "memory.max").rename(folder / "memory.limit_in_bytes")
        (folder / "memory.current").rename(folder / "memory.usage_in_bytes")
    with pytest.raises(ValueError, match=r"no limit|invalid literal"):
        Group(folder)


def test_a_folder_that_is_no_group(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Group(tmp_path)


def test_what_is_nearest_to_its_bound_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = group(tmp_path / "named", TINY, TINY // 2)
    monkeypatch.setenv(GROUP_VARIABLE, str(folder))
    meter = Meter(tmp_path)
    assert meter.limit == TINY
    assert meter.read() == (TINY // 2, TINY)


def test_a_group_that_vanishes_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = group(tmp_path / "named", TINY, TINY // 2)
    monkeypatch.setenv(GROUP_VARIABLE, str(folder))
    meter = Meter(tmp_path)
    (folder / "memory.current").unlink()
    used, limit = meter.read()
    assert limit > TINY
    assert 0 <= used < limit


def proc(root: Path, groups: str, own_pages: int = 10, available_kb: int = 1000) -> Path:
    (root / "self").mkdir(parents=True)
    (root / "self/cgroup").write_text(groups)
    (root / "self/statm").write_text(f"{own_pages * 3} {own_pages} 1 1 0 1 0\n")
    (root / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available_kb} kB\n")
    return root


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("0::/a/b\n", "a/b"),
        ("0::/a/b\n", "a"),
        # The host's path, in a container whose own group is the top.
        ("0::/elsewhere\n", ""),
        ("4:memory:/a/b\n1:cpu:/x\n", "memory/a/b"),
        ("4:cpu,memory:/a/b\n", "memory"),
    ],
)
def test_groups_are_found_from_the_innermost_to_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, folder: str
) -> None:
    monkeypatch.delenv(GROUP_VARIABLE, raising=False)
    monkeypatch.setattr(memory, "_PROC", proc(tmp_path / "proc", line))
    group(tmp_path / "groups" / folder, TINY, 1)
    assert Meter(tmp_path / "groups").limit == TINY


def test_a_group_of_another_controller_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GROUP_VARIABLE, raising=False)
    monkeypatch.setattr(memory, "_PROC", proc(tmp_path / "proc", "1:cpu:/x\n"))
    group(tmp_path / "groups" / "memory" / "x", TINY, 1)
    assert Meter(tmp_path / "groups").limit > TINY


def test_other_programs_memory_counts_once_a_good_part_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    page = os.sysconf("SC_PAGE_SIZE")
    few = int(machine.limit * 0.05) // page
    monkeypatch.setattr(memory, "_PROC", proc(tmp_path / "little", "", own_pages=few))
    assert machine.used() == few * page
    monkeypatch.setattr(memory, "_PROC", proc(tmp_path / "much", "", own_pages=3 * few, available_kb=1000))
    assert machine.used() == machine.limit - 1000 * 1024


def test_the_address_space_has_to_be_limited() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    bound = 1 << 45
    resource.setrlimit(resource.RLIMIT_AS, (bound, before[1]))
    try:
        made = AddressSpace()
        assert made.limit == bound
        assert 0 < made.used() < bound
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    if before[0] == resource.RLIM_INFINITY:
        with pytest.raises(ValueError, match="no limit"):
            AddressSpace()
