"""What providers are told of a caller's trace, by policy."""

from __future__ import annotations

from collections.abc import Callable

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import ask, request

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "congo=t61")]


def told(gateway: Gateway, upstream: Upstream, fields: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    upstream.clear()
    assert ask(gateway.port, request(fields=fields)).status == 200
    [received] = upstream.requests
    assert received.json()["model"] == "m"
    return received.header("traceparent"), received.header("tracestate")


def test_providers_hear_nothing_unless_they_are_meant_to(shared_gateway: Gateway, shared_upstream: Upstream) -> None:
    assert told(shared_gateway, shared_upstream, SENT) == (None, None)


def follow(gateway: Gateway, upstream: Upstream, when: Callable[[str | None], bool], **policy: str) -> None:
    """Have a policy, as soon as it is in force."""
    gateway.configure(configuration(upstream.url, otel={"propagate": policy}))
    upstream.wait(lambda: when(told(gateway, upstream, SENT)[0]))


def test_policies_are_followed_as_they_change(start_gateway: Start, upstream: Upstream) -> None:
    started = start_gateway(configuration(upstream.url, otel={"propagate": {"outgoing": "forward"}}))
    # What the caller sent goes on, and nothing else.
    assert told(started, upstream, SENT) == (SENT[0][1], "congo=t61")
    assert told(started, upstream, []) == (None, None)
    # The gateway's own span, in the caller's trace.
    follow(started, upstream, lambda parent: parent != SENT[0][1], outgoing="own")
    parent, state = told(started, upstream, SENT)
    assert parent is not None
    assert (parent.split("-")[1], parent.split("-")[2] != SPAN, state) == (TRACE, True, "congo=t61")
    alone, again = (told(started, upstream, [])[0] for _ in range(2))
    assert alone is not None
    assert alone != again
    # The same, whatever the caller says.
    follow(
        started, upstream, lambda parent: parent is not None and TRACE not in parent, outgoing="own",
        incoming="ignore",
    )  # fmt: skip
    assert told(started, upstream, SENT)[1] is None
    # And nothing any more.
    follow(started, upstream, lambda parent: parent is None, outgoing="none")
