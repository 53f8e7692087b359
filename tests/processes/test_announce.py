"""What is printed at start: one address, what runs, and a demo command that works when pasted."""

from __future__ import annotations

import shlex

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
