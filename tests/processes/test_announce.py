"""What is printed at start: one address, what runs, and a demo command that works when pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gateway.processes import announce as module
from gateway.processes.announce import announce
from gateway.processes.context import ServeOptions


def test_address_and_limits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMPLEMENTATION", "compiled")
    announce(ServeOptions(host="::1", workers=2), 1234, 1256, "")
    out = capsys.readouterr().out
    assert "(compiled) listens on http://[::1]:1234\n" in out
    assert "2 workers, each with at most 1256 open files and 500 connections" in out
    assert "curl" not in out
    assert "pure" not in out


def test_a_pure_installation_says_why(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMPLEMENTATION", "pure")
    monkeypatch.setattr(module, "WHY", "no compiler was found")
    announce(ServeOptions(workers=2), 1234, 1256, "")
    out = capsys.readouterr().out
    assert "slower: no compiler was found" in out
    assert "Several workers" in out


def test_the_demo_command_is_one_shell_line(capsys: pytest.CaptureFixture[str]) -> None:
    announce(ServeOptions(demo=True), 1234, 1256, "mg-demo-1")
    out = capsys.readouterr().out
    words = shlex.split(out[out.index("curl ") :].replace("\\\n", " "))
    assert words[1] == "http://127.0.0.1:1234/v1/chat/completions"
    assert "Authorization: Bearer mg-demo-1" in words
    assert out.count("mg-demo-1") == 2


def test_where_it_is_set_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "INTERFACE", tmp_path / "index.html")
    announce(ServeOptions(), 1234, 1256, "", "mg-setup-1")
    out = capsys.readouterr().out
    assert "for POST http://127.0.0.1:1234/api/setup: mg-setup-1\n" in out
    assert "/ui" not in out
    (tmp_path / "index.html").touch()
    announce(ServeOptions(), 1234, 1256, "", "mg-setup-1")
    out = capsys.readouterr().out
    assert "Web interface: http://127.0.0.1:1234/ui/\n" in out
    assert "http://127.0.0.1:1234/ui/setup#secret=mg-setup-1\n" in out
    assert out.count("mg-setup-1") == 1
