"""A real gateway tells a collector of requests, and writes lines: whose children they are, what providers are told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.test_trace_context import SENT, SPAN, TRACE
from tests.live.upstreams import Upstream
from tests.live.wire import ask, request
from tests.tracing.collector import Collector, attributes
from tests.waiting import wait_for

ID = "x-microgate-request-id"


def test_a_request_is_told_of_as_a_child_of_its_callers_span(start_gateway: Start, upstream: Upstream) -> None:
    with Collector() as collector:
        otel = {
            "endpoint": collector.endpoint,
            "headers": {"x-token": "canary-of-the-collector"},
            "metrics": {"interval": "1s"},
            "propagate": {"outgoing": "own"},
        }
        gateway = start_gateway(configuration(upstream.url, otel=otel))
        answer = ask(gateway.port, request(fields=SENT))
        alone = ask(gateway.port, request())
        wait_for(lambda: len(collector.spans) == 4, "four spans")
        by_id = {attributes(span)["microgate.request_id"]: [] for span in collector.spans}
        for span in collector.spans:
            by_id[attributes(span)["microgate.request_id"]].append(span)
        server, client = sorted(by_id[answer.header(ID) or ""], key=lambda span: span.kind)
        assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, SPAN)
        assert (client.trace_id, client.parent_span_id) == (server.trace_id, server.span_id)
        assert attributes(server)["microgate.virtual_key"] == "test"
        assert attributes(client)["gen_ai.request.model"] == "m"
        # What the provider was told leads to this span.
        assert upstream.requests[0].header("traceparent") == f"00-{TRACE}-{server.span_id.hex()}-01"
        begun, _ = sorted(by_id[alone.header(ID) or ""], key=lambda span: span.kind)
        assert begun.parent_span_id == b""
        assert upstream.requests[1].header("traceparent") == f"00-{begun.trace_id.hex()}-{begun.span_id.hex()}-01"
        wait_for(lambda: "gen_ai.client.operation.duration" in collector.metrics, "metrics")
        assert {each.header("x-token") for each in collector.requests} == {"canary-of-the-collector"}
        # It is no secret to its own gateway only.
        assert "canary" not in gateway.stderr()
        gateway.stop()


def test_a_line_for_each_request_and_a_new_file_at_sighup(
    start_gateway: Start, upstream: Upstream, tmp_path: Path
) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    gateway = start_gateway(configuration(upstream.url, access_log={"path": str(path)}))
    first = ask(gateway.port, request())

    def ids(file: Path, count: int) -> list[str]:
        def there() -> list[str]:
            lines = file.read_text().splitlines() if file.exists() else []
            return lines if len(lines) >= count else []

        return [json.loads(line)["request_id"] for line in wait_for(there, f"{count} lines of {file.name}")]

    assert ids(path, 1) == [first.header(ID)]
    os.rename(path, old)
    os.kill(gateway.pid, signal.SIGHUP)
    wait_for(path.exists, "the new file")
    second = ask(gateway.port, request())
    assert ids(path, 1) == [second.header(ID)]
    assert ids(old, 1) == [first.header(ID)]
