"""How budgets stand is read from a real arena, as a configuration has laid them out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from _speedups._bucket import MONEY, Arena
from gateway.alerts import budgets as module
from gateway.alerts.budgets import Budgets, budgets_of
from gateway.config.schema import Config
from gateway.secrets.bodies import converted
from gateway.snapshot.limits import KEY, Label
from gateway.snapshot.model import id_hash

DOLLAR = 10**9
HOUR = 3600 * 10**9


def config(**sections: Any) -> Config:
    return converted(sections, Config)


def key(name: str, *budgets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "value": f"sk-{name}-0123456789abcdef", "budgets": list(budgets), **more}


class Ground:
    """Budgets with their slots."""

    def __init__(self, arena: Arena, config: Config) -> None:
        self.arena = arena
        self.budgets = Budgets(arena)
        self.follow(config)

    def follow(self, config: Config) -> None:
        self.budgets.follow(config)
        for budget in budgets_of(config):
            identity = id_hash(budget.limit_id)
            slot = self.arena.find(identity)
            period = 10**18 if budget.entry.per is None else HOUR
            self.arena.define(
                self.arena.allocate() if slot < 0 else slot, identity, MONEY, int(budget.entry.usd), period,
                label=Label(KEY, 0, 0).pack(),
            )  # fmt: skip

    def spend(self, subject: str, dollars: float) -> None:
        [budget] = [each for each in self.budgets._all if each.subject == subject]
        self.arena.add(self.arena.find(id_hash(budget.limit_id)), int(dollars * DOLLAR), time.monotonic_ns())

    def holds(self, *thresholds: float, refused: dict[str, int] | None = None) -> dict[str, bool | None]:
        found = self.budgets.look(thresholds, refused or {}, 1000.0)
        return {f"{each.subject} {each.threshold:g}": each.holds for each in found}


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)
    yield made
    made.close()


WHOLE: dict[str, Any] = {
    "customers": {"acme": {"budgets": [{"usd": "100", "per": "1h"}]}},
    "teams": {"growth": {"customer": "acme", "budgets": [{"usd": "10", "per": "1h"}]}},
    "virtual_keys": [key("alice", {"usd": "1", "per": "1h"}, team="growth"), key("bob", {"usd": "1"})],
}


def test_every_budget_of_all_three_levels_is_looked_at(arena: Arena) -> None:
    ground = Ground(arena, config(**WHOLE))
    ground.spend("virtual_key/alice", 0.85)
    ground.spend("team/growth", 7.6)
    assert ground.holds(0.8, 1.0) == {
        "customer/acme 0.8": False,
        "customer/acme 1": False,
        "team/growth 0.8": None,
        "team/growth 1": False,
        "virtual_key/alice 0.8": True,
        "virtual_key/alice 1": False,
        "virtual_key/bob 0.8": False,
        "virtual_key/bob 1": False,
    }
    ground.spend("virtual_key/alice", 0.15)
    assert ground.holds(1.0)["virtual_key/alice 1"] is True
    assert ground.budgets.known([0.8]) >= {"budget:file:virtual_key/alice/budget/3600s/fixed:0.8"}


def test_findings_say_what_a_person_wants_to_know(arena: Arena) -> None:
    ground = Ground(arena, config(**WHOLE))
    ground.spend("virtual_key/alice", 0.85)
    ground.spend("virtual_key/bob", 2)
    found = {each.subject: each for each in ground.budgets.look([0.8], {}, 1000.0)}
    alice, bob = found["virtual_key/alice"], found["virtual_key/bob"]
    assert alice.message == "Virtual key alice has spent 85 % of its budget of $1.00 per 1h: $0.85"
    assert bob.message == "Virtual key bob has used up its budget of $1.00: $2.00 spent"
    assert (alice.level, alice.value, alice.measure, alice.anew) == ("warning", 0.85, DOLLAR, True)
    assert 1000 < alice.quiet_until_s <= 1000 + 3600
    assert not bob.anew
    assert bob.quiet_until_s > 1e9


def test_a_budget_that_is_too_small_for_any_request_is_used_up(arena: Arena) -> None:
    """Its share never reaches 1 then: what says so is that requests are refused."""
    ground = Ground(arena, config(**WHOLE))
    ground.spend("virtual_key/alice", 0.97)
    ground.spend("team/growth", 9.7)
    assert ground.holds(1.0, refused={"alice": 0})["virtual_key/alice 1"] is None
    seen = ground.holds(1.0, refused={"alice": 2, "bob": 0})
    assert seen["virtual_key/alice 1"] is True
    assert seen["team/growth 1"] is True
    assert seen["customer/acme 1"] is False
    assert seen["virtual_key/bob 1"] is False
    assert ground.holds(1.0, refused={"alice": 2})["virtual_key/alice 1"] is None


def test_many_are_looked_at_in_turn(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_A_LOOK", 2)
    ground = Ground(arena, config(**WHOLE))
    rounds = [sorted(ground.holds(0.8)) for _ in range(4)]
    assert rounds[:2] == [["customer/acme 0.8", "team/growth 0.8"], ["virtual_key/alice 0.8", "virtual_key/bob 0.8"]]
    assert rounds[2:] == rounds[:2]


def test_budgets_that_go_are_known_no_more_and_switched_off_ones_are_none(arena: Arena) -> None:
    ground = Ground(arena, config(**WHOLE))
    before = ground.budgets.known([0.8, 1.0])
    off = {**WHOLE, "virtual_keys": [WHOLE["virtual_keys"][0], {**WHOLE["virtual_keys"][1], "enabled": False}]}
    ground.follow(config(**off))
    assert len(before - ground.budgets.known([0.8, 1.0])) == 2


def test_the_figures_go_by_the_number_of_budgets_asked_for(arena: Arena) -> None:
    ground = Ground(arena, config(**WHOLE))
    ground.spend("team/growth", 4)
    found = {budget.subject: standing.spent for budget, standing in ground.budgets.standings(2)}
    assert found == {"customer/acme": 0, "team/growth": 4 * DOLLAR}
    assert msgspec.json.encode(found)
