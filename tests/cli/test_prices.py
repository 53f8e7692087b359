"""``microgate prices``: figures with who says so, without a running instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import models, refresh_models
from gateway.cli.commands import cli
from gateway.snapshot import prices as lists
from gateway.snapshot.facts import HOME

CONFIG = """
providers:
  openai: {keys: [{name: k, value: sk-x}], models: [gpt-4o-mini, gpt-4o], aliases: {house: gpt-4o-mini}}
  mine: {base_url: "http://127.0.0.1:1/v1", models: [llama]}
virtual_keys: [{name: alice, value: sk-0123456789012345678901}]
prices:
  - {provider: openai, model: gpt-4o, input: 1, output: 2, request: 0.002, above: [{tokens: 9, input: 3}]}
  - {virtual_keys: [alice], model: gpt-4o-mini, input: 0, output: 0}
"""


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(cli, ["prices", *arguments])
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "microgate.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_prices_in_force_and_who_says_so(config: str) -> None:
    rows = {f"{row['provider']}/{row['model']}": row for row in json.loads(run("show", "--config", config, "--json"))}
    taken = json.loads((HOME / "openai.json").read_text())["taken"]
    assert rows.keys() == {"openai/gpt-4o-mini", "openai/gpt-4o", "openai/house", "mine/llama"}
    mini = rows["openai/gpt-4o-mini"]
    assert mini["source"] == rows["openai/house"]["source"] == f"list openai of {taken}"
    assert mini["prices"] == {"input": "0.15", "output": "0.6", "cache_read": "0.075", "web_search": "0.01"}
    assert mini["virtual_keys"] == 1
    own = rows["openai/gpt-4o"]
    assert own["source"] == "prices[0]"
    assert own["prices"]["request"] == "0.002"
    assert own["prices"]["above"] == {"tokens": 9, "input": "3", "output": "2", "request": "0.002"}
    assert (rows["mine/llama"]["source"], rows["mine/llama"]["prices"]) == ("unknown", {})


def test_a_table(config: str) -> None:
    lines = run("show", "openai/gpt-4o", "--config", config).splitlines()
    assert lines[1].split() == ["openai/gpt-4o", "1", "2", "0.002", "prices[0],", "else", "above", "9", "tokens"]
    assert "for one request" in lines[-1]


def test_a_vendor_without_a_file() -> None:
    rows = json.loads(run("show", "openai/gpt-4o-mini-2024-07-18", "--json"))
    assert [row["prices"]["input"] for row in rows] == ["0.15"]
    assert len(json.loads(run("show", "groq", "--json"))) > 10


def test_what_is_not_there(config: str, tmp_path: Path) -> None:
    assert "no provider is called 'nobody'; there is: openai, mine" in run(
        "show", "nobody", "--config", config, status=2
    )
    (tmp_path / "bad.yaml").write_text("prices: [{input: -1, output: 1}]")
    assert "a price cannot be negative" in run("show", "--config", str(tmp_path / "bad.yaml"), status=1)


def test_refresh_makes_the_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "refresh", lambda taken: refresh_models.refresh(taken, tmp_path))
    run("refresh", "--date", "2026-01-31")
    assert lists.read(tmp_path / "groq.json").taken == "2026-01-31"
    assert not list(tmp_path.glob("*.new"))


def test_every_bundled_list_can_be_used() -> None:
    found: dict[str, Any] = {path.stem: lists.read(path) for path in HOME.glob("*.json")}
    assert len(found) > 30
