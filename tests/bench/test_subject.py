"""Processes are told apart by the names they really have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.load.process import Process
from bench.load.subject import Subject
from bench.load.tree import Member

GATEWAY = Path(__file__).resolve().parents[2] / "gateway"


def _role(name: str, command: str = "python -m gateway serve --config /control/worker.yaml") -> str:
    process = Process.__new__(Process)
    process._child = type("Child", (), {"pid": 1})()  # type: ignore[assignment]  # only its pid is asked for
    return Subject("s", 1, process).role(Member(2, 1, name, command, 0, 0, 0))


@pytest.mark.parametrize(
    ("name", "command", "role"),
    [
        ("mg-worker-0", "python", "worker"),
        ("mg-control", "python", "control"),
        ("mg-demo", "python", "demo"),
        ("nginx", "nginx: worker process", "worker"),
        ("python", "python -m gateway serve --config /control/worker.yaml", "other"),
    ],
)
def test_roles(name: str, command: str, role: str) -> None:
    assert _role(name, command) == role


def test_every_name_the_gateway_gives_its_processes_is_known() -> None:
    sources = "\n".join(path.read_text() for path in (*GATEWAY.glob("*.py"), *GATEWAY.glob("*/*.py")))
    names = re.findall(r'name_process\(f?"([^"]+)"\)', sources)
    assert names
    for name in names:
        assert name == "microgate" or _role(name) != "other", name
