"""A request body is judged strictly, and its few fields of interest are found, alike in both implementations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.twins import twins

ATTRIBUTES = (
    "model",
    "model_start",
    "model_end",
    "stream",
    "stream_options_start",
    "stream_options_end",
    "include_usage",
    "max_tokens",
    "choices",
    "fallbacks_start",
    "fallbacks_end",
    "stateful",
    "close",
    "empty",
    "error",
    "error_offset",
)


@pytest.fixture(params=["wide", "base"])
def instructions(request: pytest.FixtureRequest, scan: ModuleType) -> Iterator[None]:
    """Runs a test with the vector instructions of this machine and with those that every machine has."""
    choose = getattr(scan, "_use_wide_instructions", None)
    if choose is None:
        yield
        return
    choose(request.param == "wide")
    yield
    choose(True)


def scanned(scan: ModuleType, body: bytes) -> dict[str, Any]:
    found = scan.JsonScan()
    ok = found.scan(body)
    values = {name: getattr(found, name) for name in ATTRIBUTES}
    assert ok is (values["error"] == "")
    return values


def fields(scan: ModuleType, body: bytes) -> dict[str, Any]:
    values = scanned(scan, body)
    assert values["error"] == "", (values["error"], values["error_offset"])
    return values


def test_nothing_of_interest(scan: ModuleType) -> None:
    assert fields(scan, b' {"a": [1, {"model": 1, "stream": 2}]} ') == {
        "model": None,
        "model_start": -1,
        "model_end": -1,
        "stream": -1,
        "stream_options_start": -1,
        "stream_options_end": -1,
        "include_usage": -1,
        "max_tokens": -1,
        "choices": 1,
        "fallbacks_start": -1,
        "fallbacks_end": -1,
        "stateful": False,
        "close": 37,
        "empty": False,
        "error": "",
        "error_offset": -1,
    }


def test_offsets_are_those_of_the_tokens(scan: ModuleType) -> None:
    body = (
        '{"é": "中", "stream_options" : {"x": {}, "include_usage": true} ,"fallbacks":["a", {"b": []}],\n'
        '"model": "gpt\\u002d4o", "stream":true}\n'
    ).encode()
    found = fields(scan, body)
    assert found["model"] == "gpt-4o"
    assert body[found["model_start"] : found["model_end"]] == b'"gpt\\u002d4o"'
    options = body[found["stream_options_start"] : found["stream_options_end"]]
    assert options == b'{"x": {}, "include_usage": true}'
    assert body[found["fallbacks_start"] : found["fallbacks_end"]] == b'["a", {"b": []}]'
    assert body[found["close"] :] == b"}\n"
    assert (found["stream"], found["include_usage"], found["empty"]) == (1, 1, False)


@pytest.mark.parametrize("body", [b"{}", b" { } ", b"\r\n{\t}"])
def test_an_empty_object_needs_no_comma(scan: ModuleType, body: bytes) -> None:
    found = fields(scan, body)
    assert found["empty"]
    assert body[found["close"] : found["close"] + 1] == b"}"


def test_an_empty_object_inside_does_not_count(scan: ModuleType) -> None:
    assert not fields(scan, b'{"a": {}}')["empty"]


@pytest.mark.parametrize(
    ("body", "stream"),
    [(b'{"stream": true}', 1), (b'{"stream": false}', 0), (b'{"stream": null}', -1), (b'{"a": {"stream": true}}', -1)],
)
def test_stream(scan: ModuleType, body: bytes, stream: int) -> None:
    assert fields(scan, body)["stream"] == stream


@pytest.mark.parametrize(
    ("value", "include"),
    [
        ("null", -1),
        ("{}", -1),
        ('{"include_usage": null}', -1),
        ('{"include_usage": false}', 0),
        ('{"include_usage": true}', 1),
        ('{"include\\u005fusage": true}', 1),
        ('{"include_usage": true, "include_usage": 1}', -1),
        ('{"include_usage": [true]}', -1),
        ('[{"include_usage": true}]', -1),
        ('{"a": {"include_usage": true}}', -1),
    ],
)
def test_stream_options(scan: ModuleType, value: str, include: int) -> None:
    body = f'{{"stream_options": {value}, "x": {{"include_usage": true}}}}'.encode()
    found = fields(scan, body)
    assert found["include_usage"] == include
    assert body[found["stream_options_start"] : found["stream_options_end"]] == value.encode()


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"max_tokens": 5}', 5),
        (b'{"max_completion_tokens": 6, "max_tokens": 5}', 6),
        (b'{"max_output_tokens": 7, "max_tokens": 5, "max_tokens": 8}', 8),
        (b'{"max_tokens": 0}', 0),
        (b'{"max_tokens": -0}', -1),
        (b'{"max_tokens": 1.0}', -1),
        (b'{"max_tokens": 1e2}', -1),
        (b'{"max_tokens": "5"}', -1),
        (b'{"max_tokens": null}', -1),
        (b'{"max_tokens": [5]}', -1),
        (b'{"max_tokens": 9007199254740993}', 9007199254740992),
        (b'{"max_tokens": 99999999999999999999999}', 9007199254740992),
        (b'{"x": {"max_tokens": 5}}', -1),
    ],
)
def test_max_tokens(scan: ModuleType, body: bytes, tokens: int) -> None:
    assert fields(scan, body)["max_tokens"] == tokens


@pytest.mark.parametrize(
    ("body", "choices"),
    [(b'{"n": 3}', 3), (b'{"n": 0}', 1), (b'{"n": -2}', 1), (b'{"n": "2"}', 1), (b'{"n": 2, "n": 1}', 2), (b"{}", 1)],
)
def test_choices(scan: ModuleType, body: bytes, choices: int) -> None:
    assert fields(scan, body)["choices"] == choices


@pytest.mark.parametrize(
    ("member", "stateful"),
    [
        ('"previous_response_id": "resp_1"', True),
        ('"previous_response_id": null', False),
        ('"conversation": "conv_1"', True),
        ('"conversation": {"id": "conv_1"}', True),
        ('"conversation": null', False),
        ('"messages": [{"content": [{"file": {"file_id": "file-1"}}]}]', True),
        ('"a": [{"b": {"file\\u005fid": "x"}}]', True),
        ('"tools": [{"container": "cntr_1"}]', True),
        ('"tools": [{"container": {"type": "auto"}}]', False),
        ('"tools": [{"container": {"type": "auto", "file_ids": ["f"]}}]', True),
        ('"tools": [{"vector_store_ids": ["vs_1"]}]', True),
        ('"batch_id": "b"', True),
        ('"input_file_id": "f"', True),
        ('"input_file_id": null', False),
        ('"tools": [{"function": {"parameters": {"properties": {"file_id": {"type": "string"}}}}}]', False),
        ('"tools": [{"function": {"parameters": {"properties": {"conversation": {"type": "string"}}}}}]', False),
        ('"tools": [{"parameters": {"required": ["file_id"]}}]', False),
        ('"messages": [{"content": "\\"file_id\\": \\"x\\""}]', False),
    ],
)
def test_references_to_stored_objects(scan: ModuleType, member: str, stateful: bool) -> None:
    assert fields(scan, f'{{"model": "m", {member}}}'.encode())["stateful"] is stateful


@pytest.mark.parametrize(
    ("body", "error", "offset"),
    [
        (b"", "the document ends too early", 0),
        (b'{"a": 1', "the document ends too early", 7),
        (b'{"a": "\\u12', "the document ends too early", 11),
        (b'{"a": "\\', "the document ends too early", 8),
        (b'{"a" 1}', "unexpected character", 5),
        (b'{"a": 1,}', "unexpected character", 8),
        (b"{,}", "unexpected character", 1),
        (b'{"a": [1,]}', "unexpected character", 9),
        (b'{"a": [1 2]}', "unexpected character", 9),
        (b'{"a": [1}', "unexpected character", 8),
        (b'{"a": 01}', "unexpected character", 7),
        (b'{"a": 1.}', "unexpected character", 7),
        (b'{"a": .5}', "unexpected character", 6),
        (b'{"a": 1e+}', "unexpected character", 7),
        (b'{"a": -}', "unexpected character", 6),
        (b'{"a": +1}', "unexpected character", 6),
        (b'{"a": NaN}', "unexpected character", 6),
        (b'{"a": nul}', "unexpected character", 6),
        (b'{"a": truE}', "unexpected character", 6),
        (b'{"a": 1}x', "unexpected character", 8),
        (b'{"a": 1}{}', "unexpected character", 8),
        (b"{'a': 1}", "unexpected character", 1),
        (b'{"a": 1}\x00', "unexpected character", 8),
        (b'{"a": 1 /* */}', "unexpected character", 8),
        (b'{"a": "\n"}', "control character in a string", 7),
        (b'{"a\x00": 1}', "control character in a string", 3),
        (b'{"a": "\\x"}', "invalid escape in a string", 7),
        (b'{"a": "\\u00g0"}', "invalid escape in a string", 7),
        (b'{"a": "ab\xff"}', "invalid UTF-8", 9),
        (b'{"a": "\xed\xa0\x80"}', "invalid UTF-8", 7),
        (b'{"a": "\xc0\xaf"}', "invalid UTF-8", 7),
        (b'{"a": "\xe4\xb8"}', "invalid UTF-8", 7),
        (b'{"a": "\xf4\x90\x80\x80"}', "invalid UTF-8", 7),
        (b'{"a": 1}\xff', "invalid UTF-8", 8),
        (b'{"a": \xc3\xa9}', "unexpected character", 6),
        (b'{"a": tru\xff}', "unexpected character", 6),
        (b"[" * 3, "the top level is not an object", 0),
        (b' "model"', "the top level is not an object", 1),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark", 0),
        (b'{"model": "a", "model": "a"}', "duplicate member 'model'", 15),
        (b'{"model": "a", "mod\\u0065l": "b"}', "duplicate member 'model'", 15),
        (b'{"stream": true, "stream": false}', "duplicate member 'stream'", 17),
        (b'{"stream_options": {}, "stream_options": null}', "duplicate member 'stream_options'", 23),
        (b'{"fallbacks": [], "fallbacks": []}', "duplicate member 'fallbacks'", 18),
        (b'{"Model": "a"}', "a member equals 'model' only when case is ignored", 1),
        (b'{"model": "a", "MODEL": "b"}', "a member equals 'model' only when case is ignored", 15),
        (b'{"\\u004dodel": "a"}', "a member equals 'model' only when case is ignored", 1),
        (b'{"model": null}', "'model' is not a string", 10),
        (b'{"model": 5}', "'model' is not a string", 10),
        (b'{"model": ["a"]}', "'model' is not a string", 10),
        (b'{"model": "\\ud800"}', "'model' holds half of a surrogate pair", 10),
        (b'{"model": "\\udc00\\ud800"}', "'model' holds half of a surrogate pair", 10),
        (b'{"stream": 1}', "'stream' is neither true, false nor null", 11),
        (b'{"stream": "true"}', "'stream' is neither true, false nor null", 11),
    ],
)
def test_refusals(scan: ModuleType, instructions: None, body: bytes, error: str, offset: int) -> None:
    found = scanned(scan, body)
    assert (found["error"], found["error_offset"]) == (error, offset)
    assert found["model"] is None


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        (b"1e308", True),
        (b"1e309", False),
        (b"-1E+0999", False),
        (b"1e-999", True),
        (b"0e999", True),
        (b"0." + b"0" * 900 + b"1e999", True),
        (b"9" * 308, True),
        (b"9" * 310, False),
        (b"1" + b"0" * 250 + b"e99", False),
        (b"9" * 250 + b".5", True),
    ],
)
@pytest.mark.parametrize("around", [(b'{"t":', b"}"), (b'{"a":{"b":[1,2,', b',"1e999"]}}'), (b'{"a":1,"b": ', b" }")])
def test_numbers_that_overflow_a_double(
    scan: ModuleType, instructions: None, number: bytes, fits: bool, around: tuple[bytes, bytes]
) -> None:
    before, after = around
    values = scanned(scan, before + number + after)
    expected = ("", -1) if fits else ("a number too large for a double", len(before))
    assert (values["error"], values["error_offset"]) == expected


def test_a_scan_forgets_the_one_before(scan: ModuleType) -> None:
    found = scan.JsonScan()
    assert found.scan(b'{"model": "m", "stream": true, "n": 2, "max_tokens": 4, "file_id": "f", "fallbacks": []}')
    assert not found.scan(b"[]")
    assert (found.model, found.stream, found.choices, found.max_tokens) == (None, -1, 1, -1)
    assert (found.stateful, found.fallbacks_start) == (False, -1)
    assert found.scan(b"{}")
    assert (found.error, found.error_offset) == ("", -1)


def test_surrogates_are_json(scan: ModuleType) -> None:
    assert fields(scan, b'{"x": "\\ud800", "model": "\\ud83d\\ude00"}')["model"] == "\U0001f600"


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(scan: ModuleType, brackets: tuple[bytes, bytes]) -> None:
    opening, closing = brackets

    def nested(levels: int) -> bytes:
        return b'{"x":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"

    assert fields(scan, nested(1024))["close"] == len(nested(1024)) - 1
    found = scanned(scan, nested(1025))
    assert found["error"] == "nested deeper than 1024"
    assert found["error_offset"] == 5 + 1023 * len(opening)


@pytest.mark.parametrize("special", [b'"', b"\\n", b"\x1f", b"\xff", "é".encode(), b"\\u00e9", b"\x7f"])
def test_every_place_in_a_vector(scan: ModuleType, instructions: None, special: bytes) -> None:
    """A byte that matters is seen wherever it falls in the 16 or 32 bytes that are looked at together."""
    for before in range(70):
        for after in (0, 1, 15, 16, 31, 32, 33, 64):
            inside = b"a" * before + special + b"b" * after
            body = b'{"x":"' + inside + b'"}'
            found = scanned(scan, body)
            if special == b'"':
                expected = ("unexpected character", 7 + before)
            elif special == b"\x1f":
                expected = ("control character in a string", 6 + before)
            elif special == b"\xff":
                expected = ("invalid UTF-8", 6 + before)
            else:
                expected = ("", -1)
            assert (found["error"], found["error_offset"]) == expected, (before, after)


BAD_SEQUENCES = [
    *(b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xf5\x80\x80\x80", b"\xff", b"\xe0\x9f\xbf", b"\xed\xa0\x80"),
    *(b"\xed\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xe4A\x80"),
    *(b"\xf0\x9f\x98A", b"\xc3A", b"\xc3\xa9\xa9", b"\xe4\xb8\xad\x80", b"\xf0\x9f\x98\x80\x80"),
]
GOOD_SEQUENCES = ["\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "é中😀"]


def test_utf8_sequences_at_every_place(scan: ModuleType, instructions: None) -> None:
    for before in range(66):
        for fill in (b"a", "é".encode(), "中".encode()):
            start = (fill * before)[: before - before % len(fill)]
            for bad in BAD_SEQUENCES:
                for after in (b"", b"z" * 40, "é".encode() * 20):
                    assert not scan.validate(b'"' + start + bad + after + b'"'), (before, bad)
            for good in GOOD_SEQUENCES:
                assert scan.validate(b'"' + start + good.encode() + fill * 40 + b'"'), (before, good)


def test_every_prefix_of_a_document_ends_too_early(scan: ModuleType, instructions: None) -> None:
    body = (
        '{"a\\n": [1, -2.5e+3, "é\\u00e9", {"b": null}], "model": "m", "x": [true, false, {}, []], "y": "中"}'.encode()
    )
    assert scan.JsonScan().scan(body)
    for length in range(len(body)):
        assert not scan.JsonScan().scan(body[:length]), length


def test_only_bytes_are_a_body(scan: ModuleType) -> None:
    for body in (bytearray(b"{}"), "{}", None):
        with pytest.raises(TypeError):
            scan.JsonScan().scan(body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_validate_takes_any_buffer_and_any_top_level(scan: ModuleType, kind: type) -> None:
    for text in (b"[]", b"1", b' "a" ', b"null", b"{}"):
        assert scan.validate(kind(text)) is True
    for text in (b"", b"[", b"1 2", b"nul"):
        assert scan.validate(kind(text)) is False


# ---- both implementations agree ----

SCANS = twins("_scan")

names = st.sampled_from(
    [
        "model",
        "Model",
        "stream",
        "stream_options",
        "include_usage",
        "n",
        "max_tokens",
        "fallbacks",
        "file_id",
        "container",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | names, inner, max_size=4),
    max_leaves=20,
)
documents = st.builds(
    lambda document, ascii_only, indent: json.dumps(document, ensure_ascii=ascii_only, indent=indent),
    st.dictionaries(st.text(max_size=8) | names, values, max_size=6),
    st.booleans(),
    st.sampled_from([None, 1]),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document with one piece replaced by something likely to matter."""
    body = bytearray(draw(documents))
    at = draw(st.integers(0, len(body)))
    piece = draw(st.sampled_from([*b'{}[]:,"\\\x00\x80\xe4 1-.etn', b'"model":"x",', b"\\u0065", b"\\ud800"]))
    body[at : at + draw(st.integers(0, 3))] = piece if isinstance(piece, bytes) else bytes([piece])
    return bytes(body)


@pytest.mark.parametrize("guilty", [name for name in SCANS if name != "py"])
@given(body=documents | damaged() | st.binary(max_size=60))
def test_twins_agree(guilty: str, body: bytes) -> None:
    assert scanned(SCANS[guilty], body) == scanned(SCANS["py"], body)
    assert SCANS[guilty].validate(body) is SCANS["py"].validate(body)


@given(body=documents | damaged() | st.binary(max_size=60))
def test_validity_is_that_of_the_standard_library(body: bytes) -> None:
    def refuse(token: str) -> None:
        raise ValueError(token)

    try:
        text = body.decode()
        json.loads(text, parse_constant=refuse, parse_int=str)
        expected = not text.startswith("\ufeff")
    except ValueError:
        expected = False
    for name, module in SCANS.items():
        assert module.validate(body) is expected, name
