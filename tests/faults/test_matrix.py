"""Every cell of the fault matrix, live: a real gateway before fault proxies that play the providers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.faults.embedded import Faults, InThread
from gateway.faults.meter import Call
from gateway.faults.schema import Setup, UpstreamEntry
from tests.faults.client import CHAT, Heard, body, call, exchange
from tests.faults.matrix import Cell, Matrix, Row, load
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.wire import request
from tests.waiting import wait_for

MATRIX = load()
AT_ONCE = 6
"""Rows that are tried side by side: most of their time is waiting. Each has providers of its own."""


@dataclass
class Tried:
    """One cell as it was."""

    row: Row
    kind: str
    backed: bool
    cell: Cell
    heard: Heard
    calls: list[Call] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, bool]:
        return self.kind, self.backed

    @property
    def name(self) -> str:
        return f"{self.row.fault or 'no fault'} / {self.kind} / {'fallback' if self.backed else 'alone'}"


def setup(matrix: Matrix) -> Setup:
    """Two providers for each row, which is more than enough, and which no other row disturbs."""
    names = [f"{role}-{i}" for i in range(len(matrix.rows)) for role in ("trouble", "spare")]
    return Setup(upstreams={name: UpstreamEntry() for name in names}, seed=1)


def gateways(matrix: Matrix, faults: Faults) -> dict[str, Any]:
    """The configuration: for each row the routes ``i-alone`` and ``i-backed``, once in each dialect of providers."""
    providers: dict[str, Any] = {}
    routes: dict[str, Any] = {}
    for i in range(len(matrix.rows)):
        for role in ("trouble", "spare"):
            url = faults.url(f"{role}-{i}")
            key = [{"name": "k", "value": f"sk-{role}-canary"}]
            providers[f"{role}-{i}"] = {"dialect": "openai_chat", "base_url": url + "/v1", "keys": key}
            providers[f"{role}-{i}-claude"] = {"dialect": "anthropic", "base_url": url, "keys": key}
        for suffix in ("", "-claude"):
            routes[f"{i}-alone{suffix}"] = {"targets": [f"trouble-{i}{suffix}/m"]}
            routes[f"{i}-backed{suffix}"] = {
                "targets": [f"trouble-{i}{suffix}/m"],
                "fallbacks": [f"spare-{i}{suffix}/m"],
            }
    return configuration(faults.url("spare-0"), providers=providers, routes=routes, **matrix.configuration)


def text_of(heard: Heard) -> str:
    """The text of an OpenAI stream; raises ValueError at an event that is no JSON."""
    said = ""
    for event in heard.events:
        data = event.partition(b"data: ")[2]
        if event.startswith(b"data: ") and data != b"[DONE]":
            value = json.loads(data)
            said += "".join(c["delta"].get("content") or "" for c in value.get("choices", ()))
    return said


def seen(heard: Heard, stream: bool, expected: str) -> str:
    """What the caller makes of it, in the matrix's words or, where it is none of them, in others."""
    if heard.broken or not heard.answers:
        return f"no HTTP ({heard.broken or heard.end})"
    answer = heard.answer
    if answer.status != 200:
        error = json.loads(answer.body).get("error") if answer.complete else None
        return (
            str(answer.status) if isinstance(error, dict) and error.get("message") else f"{answer.status} without error"
        )
    try:
        if not stream:
            said = json.loads(answer.body)["choices"][0]["message"]["content"]
            return "200" if answer.complete and said == expected else "a wrong answer"
        said = text_of(heard)
    except ValueError:
        return "as sent"
    last = heard.events[-1] if heard.events else b""
    if last == b"data: [DONE]":
        return "200" if answer.complete and said == expected else "a clean end of a cut stream"
    if not expected.startswith(said):
        return "mixed answers"
    if b'"error"' in last:
        return "error event"
    return "cut" if not answer.complete else "an end without an end"


class Trial:
    """Tries the cells of one row, one after another."""

    def __init__(self, gateway: Gateway, faults: Faults, number: int, row: Row, expected: str) -> None:
        self.gateway = gateway
        self.faults = faults
        self.names = (f"trouble-{number}", f"spare-{number}")
        self.number = number
        self.row = row
        self.expected = expected

    def calls(self, name: str, after: int) -> list[Call]:
        """Calls from number ``after`` on, once they have ended: a caller may have its answer before the meter does."""
        wait_for(lambda: self.faults.meter(name).open == 0, f"the end of the calls at {name}")
        return self.faults.calls(name)[after:]

    def ask(self, kind: str, backed: bool) -> Heard:
        model = f"{self.number}-{'backed' if backed else 'alone'}{'-claude' if kind == 'translated' else ''}"
        raw = request(path=CHAT, body=body(stream=kind != "plain", model=model))
        with socket.create_connection(("127.0.0.1", self.gateway.port), 10) as sock:
            return exchange(sock, raw, quiet=0.05, patience=30)

    def cell(self, kind: str, backed: bool) -> Tried:
        trouble, _ = self.names
        self.faults.set(name=trouble)
        if self.row.warm:
            assert self.ask(kind, False).answer.status == 200
        before = [len(self.faults.calls(name)) for name in self.names]
        self.faults.set(*self.row.fault.split(), name=trouble)
        heard = self.ask(kind, backed)
        calls = [self.calls(name, start) for name, start in zip(self.names, before, strict=True)]
        found = Cell(seen(heard, kind != "plain", self.expected), len(calls[0]), len(calls[1]))
        return Tried(self.row, kind, backed, found, heard, [*calls[0], *calls[1]])

    def run(self) -> list[Tried]:
        return [self.cell(kind, backed) for kind, backed in self.row.promised()]


@pytest.fixture(scope="module")
def tried(start_for_module: Start) -> Iterator[list[Tried]]:
    with InThread(setup(MATRIX)) as faults:
        gateway = start_for_module(gateways(MATRIX, faults))
        expected = json.loads(call(faults.url("spare-0")).answer.body)["choices"][0]["message"]["content"]
        faults.reset()
        trials = [Trial(gateway, faults, i, row, expected) for i, row in enumerate(MATRIX.rows)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield [each for found in pool.map(Trial.run, trials) for each in found]


def test_every_cell_is_as_promised(tried: list[Tried]) -> None:
    wrong = [
        f"{each.name}: promised {promised}, was {each.cell}: {each.heard.data[-300:]!r}"
        for each in tried
        if (promised := each.row.promised()[each.place]) != each.cell
    ]
    assert not wrong, "\n".join(wrong)


def test_no_cut_stream_has_a_clean_end(tried: list[Tried]) -> None:
    """Whoever sees a whole answer got it of a call that was answered whole; whoever does not can tell."""
    ends = {each.name: each for each in tried if each.kind != "plain" and each.calls and each.calls[-1].ending == "cut"}
    assert len(ends) > 20
    for each in tried:
        if each.cell.seen == "200":
            assert each.calls[-1].ending == "whole", each.name
    for name, each in ends.items():
        assert each.cell.seen == "error event" or int(each.cell.seen) >= 500, name
        assert b"[DONE]" not in each.heard.data, name
        # An error event is an end that some readers overlook; that the body has none is not to be overlooked.
        assert each.cell.seen != "error event" or not each.heard.answer.complete, name


def test_no_answer_comes_twice(tried: list[Tried]) -> None:
    for each in tried:
        assert len([answer for answer in each.heard.answers if answer.status >= 200]) == 1, each.name
        assert each.heard.data.count(b'"role":"assistant"') <= 1, each.name
        # A flood of interim answers is given up before the answer that comes behind it.
        used = [seen for seen in each.calls if seen.ending == "whole" and "informational" not in seen.faults]
        assert len(used) <= 1, each.name


def test_nothing_is_asked_again_once_the_caller_has_text(tried: list[Tried]) -> None:
    begun = [each for each in tried if each.cell.seen in ("error event", "as sent")]
    assert len(begun) > 20
    for each in begun:
        assert (each.cell.trouble, each.cell.spare) == (1, 0), each.name


def test_no_cell_asks_more_often_than_attempts_say(tried: list[Tried]) -> None:
    """But where a kept connection had died: that is repeated once beyond them."""
    most = MATRIX.configuration["retry"]["attempts"]
    for each in tried:
        assert each.cell.trouble + each.cell.spare <= most, each.name


def test_waits_are_told(tried: list[Tried]) -> None:
    asked = [each for each in tried if "retry_after" in each.row.fault and each.cell.seen in ("429", "503")]
    assert asked
    assert {each.heard.answer.header("retry-after") for each in asked} == {"1"}


def test_the_matrix_is_wide_enough() -> None:
    assert len(MATRIX.rows) >= 25
    assert sum(row.translated is not None for row in MATRIX.rows) >= 15
    assert len({row.fault for row in MATRIX.rows}) == len(MATRIX.rows)
