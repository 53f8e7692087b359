"""What the control process says of the whole gateway's health."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.control.state import ControlState, WorkerState


class State(ControlState):
    """Workers in these states, and these problems."""

    def __init__(self, states: list[str], problems: list[str]) -> None:
        self.states = states
        self.found = problems
        self.configuration: Any = SimpleNamespace(snapshot=SimpleNamespace(version=7))

    def workers(self) -> list[WorkerState]:
        return [WorkerState(i, 1, 1, state, 0, None, None) for i, state in enumerate(self.states)]

    def problems(self) -> list[str]:
        return self.found


@pytest.mark.parametrize(
    ("states", "alive", "ready"),
    [
        (["serving", "serving"], 200, 200),
        (["dead", "serving"], 200, 200),
        (["starting"], 200, 503),
        (["draining", "dead"], 200, 503),
        (["dead", "dead"], 503, 503),
    ],
)
def test_some_worker_is_enough(states: list[str], alive: int, ready: int) -> None:
    state = State(states, [])
    assert (state.health("/livez")[0], state.health("/readyz")[0]) == (alive, ready)


def test_what_is_wrong_is_said_and_takes_nobody_out_of_service() -> None:
    assert State(["serving"], []).health("/readyz") == (200, {"status": "ready", "snapshot": 7})
    status, body = State(["serving"], ["this", "that"]).health("/readyz")
    assert (status, body["status"], body["reason"]) == (200, "degraded", "this; that")


def test_an_access_log_that_cannot_be_written_is_a_problem() -> None:
    state = State(["serving"], [])
    state.log_status = lambda: SimpleNamespace(ok=True)  # type: ignore[assignment, return-value, method-assign]
    state.ingest, state.database, state.listener = SimpleNamespace(blocked=False), SimpleNamespace(problem=""), None  # type: ignore[assignment]
    state.configuration = SimpleNamespace(
        left_out=(), snapshot=SimpleNamespace(unknown_before_us=0), last=SimpleNamespace(ok=True)
    )
    access_log = SimpleNamespace(problem="")
    state.telling = SimpleNamespace(access_log=access_log)  # type: ignore[assignment]
    assert state.own_problems() == []
    access_log.problem = "the access log cannot be written"
    assert state.own_problems() == ["the access log cannot be written"]
