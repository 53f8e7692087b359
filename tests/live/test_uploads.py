"""Bodies too long to be held: whole at the provider, whatever they had to wait for."""

from __future__ import annotations

import os
import threading

import pytest

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import Received, Step, Upstream, http
from tests.live.wire import Answer, ask, request
from tests.waiting import PATIENCE_S, wait_for


@pytest.mark.parametrize("size", [50_000, 3_000_000])
def test_an_upload_that_waits_for_a_connection_arrives_whole(start_gateway: Start, size: int) -> None:
    gate = threading.Event()

    def held() -> bytes:
        gate.wait(PATIENCE_S)
        return http("{}")

    def script(received: Received) -> list[Step]:
        return [held] if received.method == "GET" else [http("{}")]

    with Upstream(script) as upstream:
        limits = {"binary_hold_bytes": 1000}
        config = configuration(upstream.url, provider={"max_connections": 1}, server={"limits": limits})
        gateway = start_gateway(config)
        answers: list[Answer] = []
        body = os.urandom(size)
        upload = request(path="/passthrough/mock/x", body=body, content_type="application/octet-stream")

        def asking(raw: bytes) -> threading.Thread:
            thread = threading.Thread(target=lambda: answers.append(ask(gateway.port, raw, timeout=PATIENCE_S)))
            thread.start()
            return thread

        first = asking(request("GET", "/passthrough/mock/x", None))
        upstream.wait(lambda: len(upstream.requests) == 1)
        second = asking(upload)
        # It is in the gateway, as far as that reads it, when one that came later has been answered.
        wait_for(lambda: ask(gateway.port, request("GET", "/v1/models", None)).status == 200, "another answer")
        gate.set()
        first.join()
        second.join()
        assert [answer.status for answer in answers] == [200, 200]
        assert upstream.requests[1].body == body
