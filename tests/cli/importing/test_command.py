"""``microgate import``: what it writes, and what it says."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import pytest

from gateway.cli.check import check_file
from gateway.cli.importing.command import run
from gateway.cli.importing.report import leaves

LITELLM = """
model_list:
- {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: sk-in-clear-canary, temperature: 1}}
general_settings: {master_key: os.environ/MASTER}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(LITELLM)
    return file


def test_what_was_written_can_be_used(tmp_path: Path, source: Path) -> None:
    out = io.StringIO()
    made = tmp_path / "microgate.yaml"
    assert run("litellm", str(source), str(made), "text", "", out, {}) == 2
    assert check_file(str(made), io.StringIO(), {"MASTER": "sk-master-of-all-0123456789"}) == 0
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    report = out.getvalue()
    assert "model_list[0].litellm_params.temperature: requests are not given parameters" in report
    assert "variables to set before the gateway is started: MASTER" in report
    assert "stand in clear" in report
    assert "canary" not in report


def test_the_report_for_programs(tmp_path: Path, source: Path) -> None:
    out = io.StringIO()
    assert run("litellm", str(source), str(tmp_path / "m.yaml"), "json", "", out, {}) == 2
    report = json.loads(out.getvalue())
    assert report["counts"]["missing"] == 1
    assert len(report["settings"]) == sum(report["counts"].values()) == 5
    assert "canary" not in out.getvalue()


def test_everything_has_an_equivalent(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(
        '{"providers": {"openai": {"keys": [{"name": "k", "value": "env.K", "models": ["*"], "weight": 1}]}}}'
    )
    out = io.StringIO()
    assert run("bifrost", str(file), "", "text", "", out, {}) == 0
    assert "env.K" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1]", "no mapping"),
        ("a: [", "is not YAML"),
        ("a: &a {b: *a}", "no mapping"),
        ("a: !!python/object:os.system x", "is not YAML"),
        ("{" * 5000, "is not YAML"),
        ("include: [gone.yaml]", "cannot be read"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, text: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    made = tmp_path / "m.yaml"
    assert run("litellm", str(file), str(made), "text", "", io.StringIO(), {}) == 1
    assert why in capsys.readouterr().err
    assert not made.exists()


def test_keys_out_of_a_table(tmp_path: Path, source: Path) -> None:
    table = tmp_path / "keys.csv"
    table.write_text(f"token,key_alias,rpm_limit\n{'ab' * 32},alice,\n{'cd' * 32},bob,5\n")
    made = tmp_path / "m.yaml"
    assert run("litellm", str(source), str(made), "text", str(table), io.StringIO(), {}) == 2
    text = made.read_text()
    assert f"sha256:{'cd' * 32}" in text
    assert "requests: 5" in text


CONFIGS = Path(os.environ.get("MICROGATE_CORPUS") or Path(__file__).resolve().parents[4] / "shared" / "data", "configs")
REAL = sorted(path for path in CONFIGS.glob("*-*") if path.suffix in (".yaml", ".json"))


@pytest.mark.skipif(not REAL, reason="no configurations of others here (MICROGATE_CORPUS)")
def test_real_configurations(tmp_path: Path) -> None:
    """Every one comes through, its result can be used, and each of its leaves is in the report, once."""
    from gateway.cli.importing.reading import document

    for file in REAL:
        out = io.StringIO()
        made = tmp_path / f"{file.stem}.yaml"
        product = file.name.partition("-")[0]
        assert run(product, str(file), str(made), "json", "", out, {}) in (0, 2), file.name
        settings = json.loads(out.getvalue())["settings"]
        assert len(settings) == len(list(leaves(document(str(file))))), file.name
        assert len({row["path"] for row in settings}) == len(settings)
