"""``microgate models``: the bundled facts as tables and as data."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import models, refresh_models
from gateway.cli.commands import cli
from gateway.snapshot.facts import HOME


def shown(provider: str = "", as_json: bool = False) -> str:
    out = io.StringIO()
    assert models.show(provider, as_json, out) == 0
    return out.getvalue()


def test_providers_with_their_counts() -> None:
    rows = {row["provider"]: row for row in json.loads(shown(as_json=True))}
    assert rows["vertex"] == rows["gemini"] | {"provider": "vertex"}
    assert 0 < rows["groq"]["priced"] <= rows["groq"]["models"]
    table = {line.split()[0]: line for line in shown().splitlines()[1:]}
    assert table.keys() == rows.keys()
    assert re.match(
        rf"groq +{rows['groq']['models']} +{rows['groq']['priced']} +{rows['groq']['taken']} ", table["groq"]
    )


def test_models_of_one_provider() -> None:
    lines = {line.split()[0]: line for line in shown("openai").splitlines()[1:]}
    told = json.loads(shown("openai", as_json=True))["models"]
    assert lines.keys() == told.keys() == json.loads((HOME / "openai.json").read_text())["models"].keys()
    assert re.match(r"gpt-4o-mini +128000 +16384 +0.15 +0.6 +0.075 +image, file, tools, ", lines["gpt-4o-mini"])
    assert " embedding" in lines["text-embedding-3-small"]


def test_whose_models_a_provider_sells_too() -> None:
    assert "openai, anthropic, deepseek, xai, moonshot" in shown("azure").splitlines()[-1]
    assert len(shown("azure").splitlines()) == len(json.loads(shown("azure", as_json=True))["models"]) + 2


def test_an_unknown_provider(capsys: pytest.CaptureFixture[str]) -> None:
    assert models.show("nobody", False, io.StringIO()) == 2
    assert "nothing is known of the models of 'nobody'; there is: alibaba, anthropic" in capsys.readouterr().err


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gpt-4o-mini" in CliRunner().invoke(cli, ["models", "list", "openai"]).output
    # What refresh writes is tested beside it; here it must not touch the tree.
    monkeypatch.setattr(models, "refresh", lambda taken: refresh_models.refresh(taken, tmp_path))
    made = CliRunner().invoke(cli, ["models", "refresh", "--date", "2026-01-31"])
    assert made.exit_code == 0
    assert made.output.splitlines()[-1] == f"{len(list(tmp_path.iterdir()))} files changed"
    assert json.loads((tmp_path / "groq.json").read_text())["taken"] == "2026-01-31"
    assert CliRunner().invoke(cli, ["models", "refresh", "--date", "soon"]).exit_code == 1
