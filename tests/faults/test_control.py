"""Faults are changed and the meter is read while the proxy runs, by programs on this machine alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.faults.embedded import Faults, InProcess, InThread
from gateway.faults.schema import Setup, UpstreamEntry
from tests.faults.client import call
from tests.live.wire import ask, request

SETUP = Setup(upstreams={"one": UpstreamEntry(), "the other": UpstreamEntry()}, control=0)


@pytest.fixture(scope="module")
def running() -> Iterator[InProcess]:
    with InProcess(SETUP) as made:
        yield made


@pytest.fixture
def faults(running: InProcess) -> InProcess:
    running.clear()
    return running


def control(faults: InProcess, method: str, path: str, value: object = None) -> tuple[int, Any]:
    port = int(faults.control_url.rpartition(":")[2])
    body = None if value is None else json.dumps(value).encode()
    raw = request(method, path, body, "").replace(b"gateway.localhost", b"127.0.0.1:%d" % port)
    answer = ask(port, raw)
    return answer.status, json.loads(answer.body)


def test_upstreams(faults: InProcess) -> None:
    assert control(faults, "GET", "/upstreams") == (
        200,
        {"one": {"url": faults.url("one")}, "the other": {"url": faults.url("the other")}},
    )


def test_faults(faults: InProcess) -> None:
    assert control(faults, "GET", "/faults") == (200, {"one": [], "the other": []})
    status, shown = control(faults, "PUT", "/faults/one", [{"kind": "status", "status": 503, "retry_after": "1s"}])
    assert (status, shown) == (200, [{"kind": "status", "status": 503, "retry_after": 1.0}])
    assert call(faults.url("one")).answer.status == 503
    assert call(faults.url("the other")).answer.status == 200
    assert len(control(faults, "POST", "/faults/one", {"kind": "latency", "delay": 0})[1]) == 2
    assert control(faults, "POST", "/faults", {"kind": "down"})[0] == 200
    with pytest.raises(ConnectionRefusedError):
        call(faults.url("the other"))
    assert control(faults, "DELETE", "/faults/the%20other") == (200, [])
    assert call(faults.url("the other")).answer.status == 200
    assert control(faults, "DELETE", "/faults") == (200, {"one": [], "the other": []})
    assert call(faults.url("one")).answer.status == 200


def test_what_is_wrong_is_told_and_changes_nothing(faults: InProcess) -> None:
    control(faults, "PUT", "/faults/one", {"kind": "html"})
    status, said = control(faults, "PUT", "/faults/one", [{"kind": "cut", "aftr": 1}, {"kind": "x"}])
    assert (status, len(said["problems"])) == (400, 2)
    assert "did you mean after?" in said["problems"][0]
    assert control(faults, "GET", "/faults/one") == (200, [{"kind": "html"}])


def test_meter_and_calls(faults: InProcess) -> None:
    for _ in range(3):
        call(faults.url("one"), quiet=0.005)
    status, report = control(faults, "GET", "/meter/one")
    assert (status, report["total"]["begun"], report["total"]["whole"]) == (200, 3, 3)
    assert control(faults, "GET", "/meter")[1]["the other"]["total"]["begun"] == 0
    assert [seen["number"] for seen in control(faults, "GET", "/calls/one")[1]] == [1, 2, 3]
    # What is given back is what was reset: nothing falls between the two.
    assert control(faults, "DELETE", "/meter/one")[1]["total"]["begun"] == 3
    assert control(faults, "GET", "/meter/one")[1]["total"]["begun"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/meter/nobody", 404),
        ("PATCH", "/faults/one", 405),
        ("DELETE", "/calls", 405),
        ("DELETE", "/upstreams", 404),
    ],
)
def test_what_there_is_not(faults: InProcess, method: str, path: str, status: int) -> None:
    assert control(faults, method, path)[0] == status


@pytest.mark.parametrize(
    "raw",
    [
        request("DELETE", "/meter", None, ""),
        request("DELETE", "/meter", None, "").replace(b"gateway.localhost", b"evil.test:80"),
        request("PUT", "/faults", b"[]", "", fields=(("Origin", "http://evil.test"),)),
        request("PUT", "/faults", b"[]", "", fields=(("Origin", "null"),)),
    ],
)
def test_pages_in_a_browser_are_refused(faults: InProcess, raw: bytes) -> None:
    port = int(faults.control_url.rpartition(":")[2])
    local = raw.replace(b"gateway.localhost", b"127.0.0.1:%d" % port) if b"Origin" in raw else raw
    assert ask(port, local).status == 403


@pytest.mark.parametrize("kind", [InThread, InProcess])
def test_the_same_from_a_thread_and_from_a_process(kind: type[Faults]) -> None:
    with kind(SETUP) as made:
        made.set("status:500,first=1")
        made.set("html", name="the other")
        assert [call(made.url(), quiet=0.005).answer.status for _ in range(2)] == [500, 200]
        assert call(made.url("the other"), quiet=0.005).answer.status == 502
        total = made.meter().total
        assert (total.begun, total.failed, total.whole) == (2, 1, 1)
        assert [seen.faults for seen in made.calls()] == [["status"], []]
        made.clear()
        assert (made.meter().total.begun, made.calls()) == (0, [])


@pytest.mark.parametrize("kind", [InThread, InProcess])
def test_a_port_that_is_taken(kind: type[Faults], faults: InProcess) -> None:
    taken = Setup(upstreams={"p": UpstreamEntry(listen=faults.url().rpartition("/")[2])})
    with pytest.raises(OSError, match=r"in use|did not start"), kind(taken):
        pass
