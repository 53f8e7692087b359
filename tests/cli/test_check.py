"""``microgate check`` and ``microgate schema``."""

from __future__ import annotations

import io
import json
from pathlib import Path

from gateway.cli.check import check_file, print_schema


def check(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    out = io.StringIO()
    status = check_file(str(file), out, {})
    return status, out.getvalue().replace(f"{tmp_path}/", "").splitlines()


def test_a_right_file(tmp_path: Path) -> None:
    text = (
        "providers: {p: {base_url: 'http://h/', keys: [{name: k, value: v}, {name: l, value: w}]}}\n"
        "virtual_keys: [{name: a, value: sk-0123456789012345678901}]\n"
    )
    summary = "c.yaml: ok (1 provider, 2 provider keys, 0 routes, 1 virtual key)"
    assert check(tmp_path, text) == (0, [summary])


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    status, lines = check(tmp_path, "virtual_keys: [{name: a, value: sk-test-123}]\n")
    assert status == 0
    assert lines[0].startswith("c.yaml:1:26: warning: virtual_keys[0].value: is short enough to be guessed")
    assert lines[1].startswith("c.yaml: ok (")


def test_mistakes_fail(tmp_path: Path) -> None:
    status, lines = check(tmp_path, "server: {prot: 1}\nlog: {levle: info}\n")
    assert status == 2
    assert lines == [
        "c.yaml:1:10: server.prot: unknown field; did you mean port?",
        "c.yaml:2:7: log.levle: unknown field; did you mean level?",
        "c.yaml: 2 problems; the gateway would not start with it",
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    out = io.StringIO()
    assert check_file(str(tmp_path / "none"), out, {}) == 2
    assert "cannot be read: No such file or directory" in out.getvalue()
    assert "1 problem; the gateway" in out.getvalue()


def test_the_schema_is_json() -> None:
    out = io.StringIO()
    assert print_schema(out) == 0
    assert json.loads(out.getvalue())["$ref"] == "#/$defs/Config"
