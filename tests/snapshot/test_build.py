"""Slots, table and snapshot; and that a change leads from one version to the next."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from _speedups._bucket import Arena, LimitSet
from gateway.config.loader import loads
from gateway.processes.paths import Paths
from gateway.snapshot import store
from gateway.snapshot.build import Built, build, provision, release
from gateway.snapshot.delta import apply, delta
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import KeyTable
from gateway.snapshot.model import Delta, Ruleset, Snapshot, id_hash
from gateway.snapshot.plan import plan

PEPPER = b"p" * 32
GOOD = "sk-0123456789012345678901"


class Bench:
    """One arena, one runtime directory, one version after another."""

    def __init__(self, directory: Path) -> None:
        self.paths = Paths(str(directory))
        self.paths.runtime_dir = str(directory / "run")
        self.paths.arena = str(directory / "run" / "arena")
        self.paths.current = str(directory / "run" / "current")
        os.mkdir(self.paths.runtime_dir)
        self.arena = Arena.create(self.paths.arena, workers=1, capacity=64, reservations=64, boot_id=b"b" * 16)
        self.built: Built | None = None

    def build(self, text: str, *, restart: bool = False) -> Built:
        previous = self.built.snapshot if self.built is not None else None
        made = plan(loads(text, "f.yaml", {}).config, PEPPER)
        version = previous.version + 1 if previous is not None else 1
        self.built = provision(
            made,
            pepper=PEPPER,
            paths=self.paths,
            arena=self.arena,
            version=version,
            created_ns=version,
            previous=previous,
            restart=restart,
        )
        return self.built


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.arena.close()


def keys(*entries: str) -> str:
    return "virtual_keys:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def rows(built: Built) -> dict[int, tuple[bool, tuple[int, ...], int]]:
    table = KeyTable.open(built.table_path)
    found = {row.id_hash: (row.enabled, row.limits, row.ruleset) for row in table.rows()}
    table.close()
    return found


def test_a_key_can_be_found_and_is_held_to_its_limits(bench: Bench) -> None:
    built = bench.build(keys(f"name: a, value: {GOOD}, limits: [{{requests: 2, per: 1h}}, {{concurrency: 9}}]"))
    table = KeyTable.open(built.table_path)
    row = table.row(table.find(key_digest(PEPPER, GOOD.encode())))
    table.close()
    assert row.id_hash == id_hash("file:virtual_key/a")
    worker = bench.arena.worker(0)
    limits = LimitSet(row.limits)
    assert worker.reserve(limits, 1, 0, 0, 10**9) >= 0
    assert worker.reserve(limits, 1, 0, 0, 10**9) >= 0
    assert worker.reserve(limits, 1, 0, 0, 10**9) == -1
    del worker


def test_slots_stay_while_ids_stay(bench: Bench) -> None:
    limit = "limits: [{requests: 5, per: 1m}]"
    first = rows(bench.build(keys(f"name: a, value: {GOOD}, {limit}", f"name: b, value: {GOOD}b, {limit}")))
    second = rows(bench.build(keys(f"name: b, value: {GOOD}b, {limit}", f"name: c, value: {GOOD}c, {limit}")))
    b, c, a = (id_hash(f"file:virtual_key/{name}") for name in "bca")
    assert first[b][1] == second[b][1]
    assert set(second[c][1]).isdisjoint(first[a][1] + first[b][1])
    assert bench.built is not None
    assert bench.built.retired == first[a][1]
    assert release(bench.arena, bench.built.retired) == ()
    third = rows(bench.build(keys(f"name: d, value: {GOOD}d, {limit}")))
    assert third[id_hash("file:virtual_key/d")][1] == first[a][1]


def test_a_retired_slot_waits_for_its_reservations(bench: Bench) -> None:
    slots = rows(bench.build(keys(f"name: a, value: {GOOD}, limits: [{{concurrency: 5}}]")))
    (used,) = slots[id_hash("file:virtual_key/a")][1]
    worker = bench.arena.worker(0)
    handle = worker.reserve(LimitSet((used,)), 1, 0, 0, 1)
    built = bench.build("")
    assert built.retired == (used,)
    assert release(bench.arena, built.retired) == (used,)
    worker.settle(handle, 1, 0, 0, 2)
    assert release(bench.arena, built.retired) == ()


def test_an_unchanged_table_is_kept_and_a_changed_one_is_not(bench: Bench) -> None:
    text = keys(f"name: a, value: {GOOD}, models: [m]")
    first = bench.build(text)
    second = bench.build("log: {level: debug}\n" + text)
    assert second.table_path == first.table_path
    third = bench.build(keys(f"name: a, value: {GOOD}, models: [n]"))
    assert third.table_path != first.table_path


def test_a_key_that_is_gone_or_switched_off_is_closed_in_the_old_table_at_once(bench: Bench) -> None:
    first = bench.build(keys(*(f"name: {n}, value: {GOOD}{n}" for n in "abc")))
    bench.build(keys(f"name: a, value: {GOOD}a", f"name: b, value: {GOOD}b, enabled: false"))
    assert [row[0] for row in rows(first).values()] == [True, False, False]


def test_a_table_changed_in_place_is_not_kept(bench: Bench) -> None:
    text = keys(f"name: a, value: {GOOD}")
    first = bench.build(text)
    table = KeyTable.open(first.table_path, writable=True)
    table.revoke(0)
    table.close()
    second = bench.build(text)
    assert second.table_path != first.table_path
    assert rows(second)[id_hash("file:virtual_key/a")][0]


def test_a_missing_old_table_is_no_trouble(bench: Bench) -> None:
    first = bench.build(keys(f"name: a, value: {GOOD}"))
    os.unlink(first.table_path)
    assert len(rows(bench.build(keys(f"name: a, value: {GOOD}")))) == 1


def test_rule_sets_keep_their_numbers(bench: Bench) -> None:
    bench.build(keys(f"name: a, value: {GOOD}, models: [m]"))
    built = bench.build(keys(f"name: b, value: {GOOD}, models: [n]", f"name: a, value: {GOOD}a, models: [m]"))
    assert built.snapshot.rulesets == (Ruleset(), Ruleset(models=("m",)), Ruleset(models=("n",)))
    assert [row[2] for row in rows(built).values()] == [2, 1]
    again = bench.build(keys(f"name: b, value: {GOOD}, models: [n]"), restart=True)
    assert again.snapshot.rulesets == (Ruleset(), Ruleset(models=("n",)))
    assert [row[2] for row in rows(again).values()] == [1]


def provider(value: str) -> str:
    return f"providers: {{p: {{base_url: 'http://h/', keys: [{{name: k, value: {value}}}]}}}}"


def test_health_of_a_provider_key(bench: Bench) -> None:
    def slot(built: Built) -> int:
        return built.snapshot.providers["p"].keys[0].health_slot

    worker = bench.arena.worker(0)
    first = slot(bench.build(provider("one")))
    worker.set_cooldown(first, 2**63 - 1)
    assert slot(bench.build(provider("one"))) == first
    assert worker.cooldown_ns(first) == 2**63 - 1
    second = bench.build(provider("two"))
    assert slot(second) != first
    assert second.retired == (first,)
    assert worker.cooldown_ns(slot(second)) == 0
    worker.set_cooldown(slot(second), 2**63 - 1)
    assert worker.cooldown_ns(slot(bench.build(provider("two"), restart=True))) == 0


VERSIONS = [
    "",
    provider("one"),
    provider("two") + "\nroutes: {r: {targets: [p/m]}}\n" + keys(f"name: a, value: {GOOD}, models: [m]"),
    provider("two") + "\nroutes: {s: {targets: [p/m]}}\nretry: {attempts: 7}\n" + keys(f"name: a, value: {GOOD}x"),
    "server: {drain_timeout: 3s}",
]


def test_a_change_leads_from_each_version_to_the_next(bench: Bench) -> None:
    snapshots = [bench.build(text).snapshot for text in VERSIONS]
    for old, new in itertools.pairwise(snapshots):
        change = store.decode_delta(store.encode(delta(old, new)))
        assert apply(old, change) == new
    assert apply(snapshots[0], delta(snapshots[0], snapshots[-1])) == snapshots[-1]
    with pytest.raises(ValueError, match="a change of version 1 does not fit version 3"):
        apply(snapshots[2], delta(snapshots[0], snapshots[1]))


def test_a_change_carries_only_what_changed(bench: Bench) -> None:
    text = "  {n}: {{base_url: 'http://{n}/'}}\n"
    old = bench.build("providers:\n" + text.format(n="a") + text.format(n="b")).snapshot
    new = bench.build("providers:\n" + text.format(n="a") + text.format(n="c")).snapshot
    change = delta(old, new)
    assert (set(change.providers), change.gone_providers) == ({"c"}, ("b",))
    same = {"base": 1, "version": 2, "created_ns": 2}
    names = {id_hash("file:provider/c"): "provider/c"}
    assert change == Delta(providers=change.providers, gone_providers=("b",), names=names, **same)
    assert new.names[id_hash("file:provider/b")] == "provider/b"


def test_a_snapshot_survives_its_file(bench: Bench) -> None:
    snapshot = bench.build(VERSIONS[2]).snapshot
    store.publish(bench.paths, snapshot)
    assert store.current(bench.paths) == snapshot
    assert isinstance(snapshot, Snapshot)
    assert msgspec.msgpack.decode(store.encode(snapshot), type=Snapshot) == snapshot


def test_build_is_plan_and_provision(bench: Bench) -> None:
    config = loads(VERSIONS[2], "f.yaml", {}).config
    built = build(config, pepper=PEPPER, paths=bench.paths, arena=bench.arena, version=5, created_ns=6)
    assert (built.snapshot.version, built.snapshot.created_ns, built.snapshot.virtual_keys) == (5, 6, 1)
    assert built.snapshot.table == "vkeys-5.tbl"


def affinity(built: Built) -> str:
    found = built.snapshot.providers["p"].prompt_cache_affinity
    assert found is not None
    return found.table


def test_the_table_of_warm_prompts_stays_while_the_keys_do(bench: Bench) -> None:
    text = "providers: {p: {base_url: 'http://h/', keys: [{name: a, value: v}, {name: b, value: w}], %s}}"
    first = affinity(bench.build(text % "prompt_cache_affinity: on"))
    path = os.path.join(bench.paths.runtime_dir, first)
    before = os.stat(path).st_ino
    second = bench.build(text % "prompt_cache_affinity: {ttl: 1h}, timeouts: {total: 9s}")
    assert affinity(second) == first
    assert os.stat(path).st_ino == before
    other = affinity(bench.build((text % "prompt_cache_affinity: on").replace("name: b", "name: c")))
    assert other != first
    assert os.path.exists(path), "until every worker has confirmed"
    off = bench.build(text % "prompt_cache_affinity: off")
    assert off.snapshot.providers["p"].prompt_cache_affinity is None


def test_a_table_that_cannot_be_made_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        bench.build(
            "providers: {p: {base_url: 'http://h/', keys: [{name: a, value: v}, {name: b, value: w}], "
            "prompt_cache_affinity: on}}"
        )
