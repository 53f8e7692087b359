"""W3C trace contexts as callers send them, valid and not, and ids that nobody has to carry."""

from __future__ import annotations

import pytest

from gateway.snapshot.tracing import Tracing
from gateway.tracing.carried import own_of, with_fields
from gateway.tracing.context import Parent, fields_of, is_sampled, parent_of, span_id_of, trace_id_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def parsed(*lines: str) -> Parent | None:
    return parent_of("".join(f"{line}\r\n" for line in lines).encode())


def test_a_parent_is_taken_with_its_state() -> None:
    found = parsed(f"TraceParent:  {GOOD} ", "tracestate: congo=t61,rojo=0", "TRACESTATE:a=b")
    assert found == Parent(bytes.fromhex(TRACE), bytes.fromhex(SPAN), True, "congo=t61,rojo=0,a=b")
    assert parent_of(fields_of(found)) == found
    assert parsed(f"traceparent: 00-{TRACE}-{SPAN}-02") == Parent(bytes.fromhex(TRACE), bytes.fromhex(SPAN), False)
    # A later version may say more.
    assert parsed(f"traceparent: 01-{TRACE}-{SPAN}-01-more") is not None


@pytest.mark.parametrize(
    "value",
    [
        "",
        GOOD.upper(),
        GOOD + "-more",
        GOOD[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-zz",
        f"{GOOD},{GOOD}",
    ],
)
def test_what_is_not_valid_is_ignored(value: str) -> None:
    assert parsed(f"traceparent: {value}") is None


def test_two_parents_are_none_and_state_alone_is_nothing() -> None:
    assert parsed(f"traceparent: {GOOD}", f"traceparent: {GOOD}") is None
    assert parsed("tracestate: a=b") is None
    found = parsed(f"traceparent: {GOOD}", "tracestate: " + "a=b," * 200)
    assert found is not None
    assert found.state == ""


def test_ids_are_those_of_the_request() -> None:
    one, other = (n.to_bytes(16, "big") for n in (1, 2))
    ids = [span_id_of(request, attempt) for request in (one, other) for attempt in range(3)]
    assert len(set(ids)) == 6
    assert {len(each) for each in ids} == {8}
    assert trace_id_of(one) == trace_id_of(one) != trace_id_of(other)
    assert len(trace_id_of(one)) == 16


def test_a_share_of_traces_is_kept() -> None:
    traces = [trace_id_of(n.to_bytes(16, "big")) for n in range(4000)]
    kept = sum(is_sampled(trace, 0.25) for trace in traces)
    assert 800 < kept < 1200
    assert all(is_sampled(trace, 1.0) for trace in traces)
    assert not any(is_sampled(trace, 0.0) for trace in traces)


def test_providers_are_told_of_the_gateways_span() -> None:
    request = (7).to_bytes(16, "big")
    head = f"POST /v1 HTTP/1.1\r\nhost: x\r\nTraceparent: {GOOD}\r\nTraceState: a=b\r\nx: y\r\n\r\n".encode()
    own = own_of(request, parent_of(head), Tracing(export=True))
    told = with_fields(head, fields_of(own))
    assert (
        told
        == (
            f"POST /v1 HTTP/1.1\r\nhost: x\r\nx: y\r\ntraceparent: 00-{TRACE}-{span_id_of(request).hex()}-01\r\n"
            "tracestate: a=b\r\n\r\n"
        ).encode()
    )
    alone = own_of(request, None, Tracing(export=True, sample_ratio=0.0))
    assert alone == Parent(trace_id_of(request), span_id_of(request), False)
    assert not own_of(request, None, Tracing()).sampled
