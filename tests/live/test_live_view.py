"""The live view through a worker."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from typing import Any

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, ask


@contextlib.contextmanager
def watching(gateway: Gateway) -> Iterator[http.client.HTTPResponse]:
    """An open stream."""
    with open(os.path.join(gateway.paths.data_dir, "admin.token")) as file:
        token = file.read().strip()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.request("GET", "/api/live?key=test", headers={"authorization": f"Bearer {token}"})
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def events_in(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    name = ""
    while line := response.readline():
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


def test_a_request_is_seen_as_it_ends_and_a_drain_does_not_wait_for_who_watches(
    start_gateway: Start, upstream: Upstream
) -> None:
    gateway = start_gateway(configuration(upstream.url, server={"drain_timeout": "60s"}))
    gateway.wait_for_control()
    with watching(gateway) as response:
        assert response.status == 200
        look(gateway, events_in(response))


def look(gateway: Gateway, events: Iterator[tuple[str, Any]]) -> None:
    # Nothing is held back for more to come: an event every second arrives while the stream goes on.
    assert next(data for name, data in events if name == "figures")["requests"] == 0
    answer = ask(gateway.port)
    assert answer.status == 200
    found = next(data for name, data in events if name == "requests")
    assert [entry["virtual_key"] for entry in found["entries"]] == ["test"]
    assert found["entries"][0]["request_id"] == dict(answer.fields)["x-microgate-request-id"]
    assert KEY not in json.dumps(found)
    # Cut, not waited for: whoever watches comes back. It would raise after 30 s.
    gateway.stop()
