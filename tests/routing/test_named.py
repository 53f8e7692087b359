"""The member ``fallbacks`` of a body: which names it holds, and what is left when it is taken out."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _speedups._scan import JsonScan
from gateway.routing.named import names_in, span_of, take_out

MEMBER = b'"fallbacks": ["a/b", "c"]'


def scanned(body: bytes) -> Any:
    """What parsing leaves in an exchange."""
    scan = JsonScan()
    assert scan.scan(body), scan.error
    return SimpleNamespace(
        body=body,
        fallbacks_start=scan.fallbacks_start,
        fallbacks_end=scan.fallbacks_end,
        model_start=scan.model_start,
        model_end=scan.model_end,
        options_start=scan.stream_options_start,
        options_end=scan.stream_options_end,
        close=scan.close,
        empty=scan.empty,
    )


def without(body: bytes) -> bytes:
    """The body without the member, whose offsets are those that a scan of it would find."""
    x = scanned(body)
    take_out(x)
    assert vars(x) == vars(scanned(x.body))
    return bytes(x.body)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b"{" + MEMBER + b', "model":"m", "z": 1}', b'{ "model":"m", "z": 1}'),
        (b'{"model":"m" , ' + MEMBER + b' , "z":1}', b'{"model":"m"  , "z":1}'),
        (b'{"z":1,\n "model":"m",\n ' + MEMBER + b"\n}", b'{"z":1,\n "model":"m"\n}'),
        (b" { " + MEMBER + b" } ", b" {  } "),
        (b'{"fallbacks":null}', b"{}"),
        (b'{"a":"\\"","f\\u0061llbacks" : [] }', b'{"a":"\\"" }'),
        (b'{"stream_options":{}, ' + MEMBER + b',"model":"m"}', b'{"stream_options":{},"model":"m"}'),
        (b"{" + MEMBER + b',"model":"m","stream_options":{},"s":"{"}', b'{"model":"m","stream_options":{},"s":"{"}'),
    ],
)
def test_first_middle_last_and_only(body: bytes, left: bytes) -> None:
    assert without(body) == left


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
others = st.dictionaries(
    st.text(max_size=9).filter(lambda name: name.lower() not in {"model", "stream", "stream_options", "fallbacks"}),
    values,
    max_size=4,
)


@given(
    members=others,
    model=st.none() | st.text(max_size=6),
    options=st.none() | st.dictionaries(st.text(max_size=3), st.booleans(), max_size=2),
    names=st.none() | st.lists(st.text(max_size=6), max_size=3),
    order=st.randoms(use_true_random=False),
    layout=st.sampled_from([(None, None), (1, None), (None, (" , ", " : ")), ("\t", None)]),
    plain=st.booleans(),
)
@settings(deadline=None)
def test_what_is_left_is_the_document_without_the_member(
    members: dict[str, Any], model: str | None, options: Any, names: Any, order: Any, layout: Any, plain: bool
) -> None:
    document = {**members, "fallbacks": names}
    if model is not None:
        document["model"] = model
    if options is not None:
        document["stream_options"] = options
    items = list(document.items())
    order.shuffle(items)
    indent, separators = layout
    body = json.dumps(dict(items), indent=indent, separators=separators, ensure_ascii=plain).encode()
    left = without(body)
    assert list(json.loads(left).items()) == [item for item in items if item[0] != "fallbacks"]
    x = scanned(body)
    start, end = span_of(body, x.fallbacks_start, x.fallbacks_end)
    assert left == body[:start] + body[end:]


@pytest.mark.parametrize("member", [b'"m"', b"{}", b"7", b"[1]", b'["a",null]', b'[""]', b'["a\\nb"]', b'["\\ud800"]',
                                    b"[" + b",".join([b'"a"'] * 9) + b"]", b'["' + b"a" * 513 + b'"]'])  # fmt: skip
def test_only_lists_of_a_few_names(member: bytes) -> None:
    assert names_in(member) is None


def test_names() -> None:
    assert names_in(b'["a/b", "\\u0063"]') == ["a/b", "c"]
    assert names_in(b"[" + b",".join([b'"a"'] * 8) + b"]") == ["a"] * 8
    assert names_in(b"null") == names_in(b"[]") == []
