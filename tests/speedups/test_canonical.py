"""Requests that ask the same have one canonical form, others another, alike in both implementations."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from hashlib import sha256
from sys import byteorder
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speedups.twins import twins

CANONICALS = twins("_canonical")
LEARNED = ("temperature", "store", "has_tools", "provider_tools", "barred")
UNKNOWN = (-1, -1, False, False, False)
BARRED = (-1, -1, False, False, True)


@pytest.fixture(params=CANONICALS.values(), ids=CANONICALS.keys())
def canonical(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture(params=["instructions", "hashlib"])
def hashing(request: pytest.FixtureRequest, canonical: ModuleType) -> Iterator[None]:
    """Runs a test with the processor's own hashing and with that of processors which have none."""
    choose = getattr(canonical, "_use_instructions", None)
    if choose is None:
        yield
        return
    choose(request.param == "instructions")
    yield
    choose(True)


def form(module: ModuleType, body: bytes, drop: tuple[bytes, ...] = ()) -> bytes | None:
    made: bytes | None = module.Canonical(drop).form(body)
    return made


def learned(module: ModuleType, body: bytes) -> tuple[Any, ...]:
    scratch = module.Canonical((b"model",), (b"background", b"tools"))
    assert scratch.form(body) is not None
    return tuple(getattr(scratch, name) for name in LEARNED)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b" { } ", b"{}"),
        (b'{\n\t"a" : [ 1 , { } , [ ] ] }\r\n', b'{"a":[1,{},[]]}'),
        (b'{"b":1,"a":2}', b'{"a":2,"b":1}'),
        (b'{"aa":1,"a":2,"":3,"b":4,"a!":5}', b'{"":3,"a":2,"a!":5,"aa":1,"b":4}'),
        (b'{"x":{"b":{"d":1,"c":2},"a":3},"w":4}', b'{"w":4,"x":{"a":3,"b":{"c":2,"d":1}}}'),
        (b'{"x":[{"b":1,"a":2},{"a":1}]}', b'{"x":[{"a":2,"b":1},{"a":1}]}'),
        (b'{"a":[2,1]}', b'{"a":[2,1]}'),
        # Of members with one name the order counts.
        (b'{"a":2,"b":0,"a":1}', b'{"a":2,"a":1,"b":0}'),
        (b'{"\\u0061":2,"b":0,"a":1}', b'{"a":2,"a":1,"b":0}'),
        # Structured answers follow the order of their schema's properties.
        (b'{"s":{"t":0,"properties":{"b":1,"a":{"d":1,"c":2}}}}',
         b'{"s":{"properties":{"b":1,"a":{"c":2,"d":1}},"t":0}}'),
        (b'{"propert\\u0069es":{"b":1,"a":2}}', b'{"properties":{"b":1,"a":2}}'),
        (b'{"properties":[{"b":1,"a":2}]}', b'{"properties":[{"a":2,"b":1}]}'),
        (b'{"x":[{"properties":null},{"b":1,"a":2}]}', b'{"x":[{"properties":null},{"a":2,"b":1}]}'),
        (b'{"properties":{},"x":[{"b":1,"a":2}]}', b'{"properties":{},"x":[{"a":2,"b":1}]}'),
        # Strings.
        (b'{"a":"\\u0041\\/\\u002f\\u0022\\u005c"}', b'{"a":"A//\\"\\\\"}'),
        (b'{"a":"\\u0008\\u000C\\u000a\\u000D\\u0009"}', b'{"a":"\\b\\f\\n\\r\\t"}'),
        (b'{"a":"\\u0000\\u001F\\u000b\\u007f"}', b'{"a":"\\u0000\\u001f\\u000b\x7f"}'),
        ('{"a":"\\u00e9é\\u4e2d中\\uD83D\\uDE00😀"}'.encode(), '{"a":"éé中中😀😀"}'.encode()),
        (b'{"a":"\\uD800"}', b'{"a":"\\ud800"}'),
        (b'{"a":"\\uD800\\uD83D\\uDE00\\uDE00\\uD83D"}', '{"a":"\\ud800😀\\ude00\\ud83d"}'.encode()),
        (b'{"a":"\\uD83D\\\\uDE00"}', b'{"a":"\\ud83d\\\\uDE00"}'),
        (b'{"a":"\\uD83Dx\\uDE00"}', b'{"a":"\\ud83dx\\ude00"}'),
        # Numbers.
        (b'{"a":[1,1.0,1e0,1E0,-0,0,0.10,10,1.0e2]}', b'{"a":[1,1.0,1e0,1E0,-0,0,0.10,10,1.0e2]}'),
        (b'{"temperature":1.0,"top_p":0.90,"n":1.0}', b'{"n":1.0,"temperature":1,"top_p":0.9}'),
        (b'{"temperature":-0.0,"frequency_penalty":10.050,"presence_penalty":0.0e1}',
         b'{"frequency_penalty":10.05,"presence_penalty":0.0e1,"temperature":-0}'),
        (b'{"x":{"temperature":1.0},"y":[1.0]}', b'{"x":{"temperature":1.0},"y":[1.0]}'),
        (b'{"generationConfig":{"temperature":0.0,"topP":1.0,"topK":1.0,"x":{"topP":1.0}}}',
         b'{"generationConfig":{"temperature":0,"topK":1.0,"topP":1,"x":{"topP":1.0}}}'),
        (b'{"inferenceConfig":{"temperature":0.50}}', b'{"inferenceConfig":{"temperature":0.5}}'),
        (b'{"generation_config":[{"temperature":0.50},0.50]}', b'{"generation_config":[{"temperature":0.50},0.50]}'),
    ],
)  # fmt: skip
def test_forms(canonical: ModuleType, body: bytes, expected: bytes) -> None:
    assert form(canonical, body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m","a":1}', b'{"a":1}'),
        (b'{"b":1,"model":{"z":1,"y":[2]},"a":1}', b'{"a":1,"b":1}'),
        (b'{"mod\\u0065l":1}', b"{}"),
        (b'{"model":1,"user":2,"a":{"model":1,"user":2},"model":3,"b":4}', b'{"a":{"model":1,"user":2},"b":4}'),
        (b'{"models":1,"mode":2,"":3}', b'{"":3,"mode":2,"models":1}'),
        (b'[{"model":1}]', None),
        (b'{"model":tru}', None),
    ],
)  # fmt: skip
def test_members_left_out(canonical: ModuleType, body: bytes, expected: bytes | None) -> None:
    assert form(canonical, body, (b"model", b"user")) == expected


def test_names_to_look_for(canonical: ModuleType) -> None:
    names = [b"n%d" % i for i in range(63)] + [b"x" * 63]
    assert form(canonical, b'{"n7":1,"a":2,"' + b"x" * 63 + b'":3,"' + b"x" * 64 + b'":4}', tuple(names)) == (
        b'{"a":2,"' + b"x" * 64 + b'":4}'
    )
    for wrong in ([*names, b"more"], [b"x" * 64], [b'"'], [b"\n"], [b"\\u0041"]):
        with pytest.raises(ValueError, match="name"):
            canonical.Canonical(wrong)
    with pytest.raises(TypeError):
        canonical.Canonical(["model"])


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"[]", b"1", b"null", b'"a"', b"{", b'{"', b'{"a', b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b"}"),
        *(b"\xef\xbb\xbf{}", b"{}x", b"{}{}", b"{,}", b'{"a":1,}', b'{"a":[1,]}', b'{"a":[1}', b'{"a":{]}', b'{"a" 1}'),
        *(b"{1:2}", b'{"a":1 "b":2}', b"{}\x00", b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":-}', b'{"a":+1}'),
        *(b'{"a":1e}', b'{"a":NaN}', b'{"a":nul}', b'{"a":truE}', b'{"a":-Infinity}', b'{"a":"\\x"}', b"{'a':1}"),
        *(b'{"a":"\\u12g4"}', b'{"a":"\\u12"}', b'{"a":"\\', b'{"a":"\\ud83d\\u"}', b'{"a":"\\u00"'),
    ],
)  # fmt: skip
def test_no_form(canonical: ModuleType, body: bytes) -> None:
    scratch = canonical.Canonical()
    assert scratch.form(b'{"temperature":0,"store":true,"tools":[{}]}')
    assert scratch.form(body) is None
    assert tuple(getattr(scratch, name) for name in LEARNED) == UNKNOWN
    assert scratch.digest(b"", body) is None


def test_every_prefix_of_a_document_has_no_form(canonical: ModuleType) -> None:
    body = (
        '{"a\\n":[1,-2.5e+3,"é\\u00e9\\ud83d\\ude00",{"b":null}],"model":"m","x":[true,false,{},[]],"y":"中"}'.encode()
    )
    scratch = canonical.Canonical((b"model",))
    assert scratch.form(body)
    for length in range(len(body)):
        assert scratch.form(body[:length]) is None, length


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(canonical: ModuleType, brackets: tuple[bytes, bytes]) -> None:
    def nested(levels: int) -> bytes:
        return b'{"x":' + brackets[0] * (levels - 1) + b"1" + brackets[1] * (levels - 1) + b"}"

    assert form(canonical, nested(1024)) == nested(1024)
    assert form(canonical, nested(1025)) is None
    assert form(canonical, b'{"x":' + brackets[0] * 100_000) is None


def test_many_members(canonical: ModuleType) -> None:
    names = [b'"%d":0' % number for number in range(65_536)]
    expected = b"{" + b",".join(sorted(names, key=lambda name: name[1:-3])) + b"}"
    assert form(canonical, b"{" + b",".join(names) + b"}") == expected
    assert form(canonical, b"{" + b",".join([*names, b'"x":0']) + b"}") is None
    assert form(canonical, b'{"x":[' + b",".join(b"{%s}" % name for name in names) + b"]}") is None


def test_equal_names_keep_their_order_among_many(canonical: ModuleType) -> None:
    names = [f"k{number % 7}" for number in range(200)]
    body = "{" + ",".join(f'"{name}":{number}' for number, name in enumerate(names)) + "}"
    expected = sorted(enumerate(names), key=lambda pair: pair[1])
    assert form(canonical, body.encode()) == ("{" + ",".join(f'"{k}":{n}' for n, k in expected) + "}").encode()


def test_moving_has_an_end(canonical: ModuleType) -> None:
    """Every level in another order moves all that lies below it: 900 times 100 KB are refused, not moved."""

    def nested(levels: int, size: int, names: tuple[str, str]) -> bytes:
        start, end = f'{{"{names[0]}":1,"{names[1]}":', "}"
        return (start * levels + '"' + "x" * size + '"' + end * levels).encode()

    assert form(canonical, nested(900, 100_000, ("b", "a"))) is None
    assert form(canonical, nested(900, 100_000, ("a", "b"))) == nested(900, 100_000, ("a", "b"))
    assert form(canonical, nested(8, 100_000, ("b", "a"))) is not None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", UNKNOWN),
        (b'{"temperature":0}', (0, -1, False, False, False)),
        (b'{"temperature":-0.00e5}', (0, -1, False, False, False)),
        (b'{"temperature":0.01}', (1, -1, False, False, False)),
        (b'{"temperature":null}', UNKNOWN),
        (b'{"temperature":"0"}', (1, -1, False, False, False)),
        (b'{"temperature":[0]}', (1, -1, False, False, False)),
        (b'{"temperature":0,"temperature":0.0}', (0, -1, False, False, False)),
        (b'{"temperature":0,"temperature":null}', (1, -1, False, False, False)),
        (b'{"temper\\u0061ture":0}', (0, -1, False, False, False)),
        (b'{"x":{"temperature":0}}', UNKNOWN),
        (b'{"generationConfig":{"temperature":0.0}}', (0, -1, False, False, False)),
        (b'{"generationConfig":{"x":[{"temperature":0}]}}', UNKNOWN),
        (b'{"inferenceConfig":{"temperature":1}}', (1, -1, False, False, False)),
        (b'{"temperature":0,"generation_config":{"temperature":1}}', (1, -1, False, False, False)),
        (b'{"store":true}', (-1, 1, False, False, False)),
        (b'{"store":false}', (-1, 0, False, False, False)),
        (b'{"store":null}', UNKNOWN),
        (b'{"store":false,"store":true}', (-1, 1, False, False, False)),
        (b'{"store":{}}', (-1, 1, False, False, False)),
        (b'{"x":{"store":true}}', UNKNOWN),
        (b'{"background":true}', (-1, -1, False, False, True)),
        *((b'{"background":%s}' % nothing, UNKNOWN) for nothing in (b"false", b"null", b'""', b"[ ]", b"{ }")),
        *((b'{"background":%s}' % some, BARRED) for some in (b"0", b"12", b'"a"', b"[0]", b'{"a":0}')),
        (b'{"tools":[]}', UNKNOWN),
        (b'{"tools":null}', UNKNOWN),
        (b'{"x":[{"type":"web_search"}]}', UNKNOWN),
        (b'{"toolConfig":{"tools":[{"toolSpec":{"name":"x"}}]}}', (-1, -1, True, False, False)),
        (b'{"toolConfig":{"tools":[{"systemTool":{"name":"x"}}]}}', (-1, -1, True, True, False)),
        (b'{"functions":[{"name":"x","description":"y"}]}', (-1, -1, True, False, False)),
    ],
)  # fmt: skip
def test_what_is_learned(canonical: ModuleType, body: bytes, expected: tuple[Any, ...]) -> None:
    assert learned(canonical, body) == expected


@pytest.mark.parametrize(
    ("tools", "elsewhere"),
    [
        (b'[{"type":"function","function":{"name":"x"}}]', False),
        (b'[{"type":"func\\u0074ion","name":"x"},{"type":"custom"}]', False),
        (b'[{"name":"x","input_schema":{"type":"object"}}]', False),
        (b'[{"functionDeclarations":[{"name":"x","type":"y"}]},{"function_declarations":[]}]', False),
        (b"[{}]", False),
        (b"{}", False),
        (b'{"functionDeclarations":[]}', False),
        (b'[{"type":"function"},{"type":"web_search_preview"}]', True),
        (b'[{"type":"mcp"},{"type":"function"}]', True),
        (b'[{"type":"computer_20250124","name":"computer"}]', True),
        (b'[{"type":"function","type":"mcp"}]', True),
        (b'[{"type":["function"]}]', True),
        (b'[{"type":null,"name":"x"}]', True),
        (b'[{"googleSearch":{}}]', True),
        (b'[{"functionDeclarations":[],"code_execution":{}}]', True),
        (b'{"googleSearch":{}}', True),
        (b'{"type":"mcp"}', True),
        (b'["web_search"]', True),
        (b"[null]", False),
    ],
)
def test_tools_that_run_elsewhere(canonical: ModuleType, tools: bytes, elsewhere: bool) -> None:
    assert learned(canonical, b'{"messages":[],"tools":' + tools + b',"z":0}')[3] is elsewhere


def test_learning_forgets_what_came_before(canonical: ModuleType) -> None:
    scratch = canonical.Canonical((), (b"background",))
    assert scratch.form(b'{"temperature":0,"store":true,"tools":["x"],"background":1}')
    assert tuple(getattr(scratch, name) for name in LEARNED) == (0, 1, True, True, True)
    assert scratch.form(b"{}") == b"{}"
    assert tuple(getattr(scratch, name) for name in LEARNED) == UNKNOWN


def test_digest(canonical: ModuleType, hashing: None) -> None:
    """At every length around the borders of SHA-256's blocks."""
    scratch = canonical.Canonical((b"model",))
    for before in (0, 1, 63, 64):
        prefix = bytes(range(before))
        for length in range(200):
            body = b'{"model":1,"b":0,"a":"' + b"x" * length + b'"}'
            expected = before.to_bytes(8, byteorder) + prefix + b'{"a":"' + b"x" * length + b'","b":0}'
            assert scratch.digest(prefix, body) == sha256(expected).digest(), (before, length)


def test_prefix_and_body_do_not_run_into_each_other(canonical: ModuleType, hashing: None) -> None:
    scratch = canonical.Canonical()
    assert scratch.digest(b"a{", b"{}") != scratch.digest(b"a", b"{}")
    assert scratch.digest(b"", b'{"a":1}') != scratch.digest(b'{"a":1}', b"{}")


def test_large_bodies_between_small_ones(canonical: ModuleType, hashing: None) -> None:
    """Buffers grow and shrink."""
    scratch = canonical.Canonical()
    large = b'{"b":[' + b",".join(b'{"z":%d,"a":"%s"}' % (n, b"x" * 40) for n in range(4_000)) + b'],"a":1}'
    turned = b'{"a":1,"b":[' + b",".join(b'{"a":"%s","z":%d}' % (b"x" * 40, n) for n in range(4_000)) + b"]}"
    for _ in range(2):
        assert scratch.form(b'{"b":1,"a":2}') == b'{"a":2,"b":1}'
        assert scratch.form(large) == turned
        assert scratch.digest(b"p", large) == scratch.digest(b"p", turned)
        assert scratch.digest(b"p", turned) == sha256((1).to_bytes(8, byteorder) + b"p" + turned).digest()
    wide = b"{" + b",".join(b'"%06d":0' % number for number in range(5_000, 0, -1)) + b"}"
    assert scratch.form(wide) == b"{" + b",".join(b'"%06d":0' % number for number in range(1, 5_001)) + b"}"
    assert scratch.form(b'{"b":1,"a":2}') == b'{"a":2,"b":1}'


@pytest.mark.parametrize("special", [b'\\"', b"\\n", b"\\/", b"\\u0041", "é".encode(), b"\\ud83d\\ude00", b"\\\\"])
def test_every_place_in_a_vector(canonical: ModuleType, special: bytes) -> None:
    expected = json.loads(b'"' + special + b'"').join(("<", ">"))
    for before in range(40):
        for after in (0, 1, 15, 16, 17, 33):
            body = b'{"x":"' + b"a" * before + b"<" + special + b">" + b"b" * after + b'"}'
            made = form(canonical, body)
            assert made is not None
            assert json.loads(made) == {"x": "a" * before + expected + "b" * after}


def test_only_bytes(canonical: ModuleType) -> None:
    for wrong in (bytearray(b"{}"), "{}", None):
        with pytest.raises(TypeError):
            canonical.Canonical().form(wrong)
        with pytest.raises(TypeError):
            canonical.Canonical().digest(b"", wrong)
        with pytest.raises(TypeError):
            canonical.Canonical().digest(wrong, b"{}")


# ---- what is equal and what is not ----

texts = st.text(max_size=6) | st.sampled_from(["properties", "a", "b", "temperature", "\ud83d", "\ude00", 'x"\\/\n'])
numbers = st.sampled_from(["0", "-0", "1", "1.0", "1e0", "1E0", "10", "0.5", "0.50", "1.5e-7"])
leaves = st.none() | st.booleans() | texts | numbers.map(lambda text: ("number", text))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(texts, inner), max_size=5).map(dict),
    max_leaves=12,
)
documents = st.dictionaries(texts.filter(lambda name: name != "temperature"), values, max_size=5)


def spelled_string(text: str, draw: random.Random) -> str:
    out = []
    for character in text:
        code = ord(character)
        ways = []
        if code >= 0x20 and character not in '"\\' and not 0xD800 <= code < 0xE000:
            ways.append(character)
        if character in '"\\/':
            ways.append("\\" + character)
        if character == "\n":
            ways.append("\\n")
        units = json.dumps(character)[1:-1] if code > 0x7F else f"\\u{code:04x}"
        ways += [units, "".join(c.upper() if c in "abcdef" else c for c in units)]
        out.append(draw.choice(ways))
    return '"' + "".join(out) + '"'


def spelled(value: Any, draw: random.Random, turn: bool = True) -> str:
    """Any of the ways in which a client can write ``value``; with ``turn`` members in any order."""
    white = draw.choice(["", "", " ", "\n\t", "\r\n  "])
    if isinstance(value, tuple):
        return white + value[1] + white
    if isinstance(value, str):
        return white + spelled_string(value, draw) + white
    if isinstance(value, dict):
        members = list(value.items())
        if turn:
            draw.shuffle(members)
        pairs = [f"{white}{spelled_string(k, draw)}{white}:{spelled(v, draw, k != 'properties')}" for k, v in members]
        return white + "{" + white + ",".join(pairs) + "}" + white
    if isinstance(value, list):
        return white + "[" + white + ",".join(spelled(item, draw) for item in value) + "]" + white
    return white + json.dumps(value) + white


def body_of(value: Any, seed: int) -> bytes:
    return spelled(value, random.Random(seed)).encode("utf-8")


@pytest.mark.parametrize("twin", CANONICALS)
@settings(max_examples=50)
@given(document=documents, first=st.integers(), second=st.integers())
def test_however_it_is_spelled(twin: str, document: dict[str, Any], first: int, second: int) -> None:
    one, other = (body_of(document, seed) for seed in (first, second))
    made = form(CANONICALS[twin], one)
    assert made is not None
    assert made == form(CANONICALS[twin], other)
    assert form(CANONICALS[twin], made) == made
    assert len(made) <= min(len(one), len(other))


def changed(value: Any, draw: random.Random) -> Any:
    """The same with one thing in it changed."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        name = draw.choice(list(value))
        if draw.random() < 0.2:
            return {k: v for k, v in value.items() if k != name}
        return {**value, name: changed(value[name], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        if draw.random() < 0.2:
            return value[:at] + value[at + 1 :]
        return [*value[:at], changed(value[at], draw), *value[at + 1 :]]
    others = [None, True, False, "", "x", ("number", "0"), ("number", "2"), [], {}, [value], {"y": value}]
    return draw.choice([other for other in others if other != value])


@pytest.mark.parametrize("twin", CANONICALS)
@settings(max_examples=50)
@given(document=documents, seed=st.integers())
def test_whatever_is_changed(twin: str, document: dict[str, Any], seed: int) -> None:
    other = changed(document, random.Random(seed))
    one, second = body_of({"top": document}, seed), body_of({"top": other}, seed)
    assert form(CANONICALS[twin], one) != form(CANONICALS[twin], second)


def meaning(body: bytes) -> Any:
    """What counts of a document, read by the standard library."""

    def members(pairs: list[tuple[str, Any]]) -> Any:
        return ("object", tuple((name, value) for name, value in pairs))

    def turned(value: Any, keep: bool = False) -> Any:
        if isinstance(value, list):
            return tuple(turned(item) for item in value)
        if isinstance(value, tuple) and value[0] == "object":
            pairs = [(name, turned(inner, name == "properties")) for name, inner in value[1]]
            return ("object", tuple(pairs if keep else sorted(pairs, key=lambda pair: pair[0])))
        return value

    def number(text: str) -> tuple[str, str]:
        return ("number", text)

    return turned(json.loads(body, object_pairs_hook=members, parse_int=number, parse_float=number))


names = st.sampled_from(["a", "b", "properties"])
small = st.recursive(
    st.sampled_from([None, True, "a", "\\u0061", ("number", "1"), ("number", "1.0")]),
    lambda inner: st.lists(inner, max_size=2) | st.lists(st.tuples(names, inner), max_size=3),
    max_leaves=4,
)


def written(value: Any) -> str:
    """Lists of pairs are objects, in which a name may come twice."""
    if isinstance(value, tuple):
        return str(value[1])
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and item[0] != "number" for item in value):
            return "{" + ",".join(f'"{name}":{written(inner)}' for name, inner in value) + "}"
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("twin", CANONICALS)
@given(one=small, other=small)
def test_equal_exactly_when_they_mean_the_same(twin: str, one: Any, other: Any) -> None:
    bodies = [f'{{"x":{written(value)}}}'.encode() for value in (one, other)]
    forms = [form(CANONICALS[twin], body) for body in bodies]
    assert (forms[0] == forms[1]) is (meaning(bodies[0]) == meaning(bodies[1]))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document with one piece replaced by something likely to matter."""
    body = bytearray(body_of(draw(documents), draw(st.integers())))
    at = draw(st.integers(0, len(body)))
    pieces = [
        *b'{}[]:,"\\\x00\x80\xe4 1-.etn',
        b'"tools":[{"type":"x"}],',
        b"\\u0065",
        b"\\ud800",
        b'"temperature":0.0,',
    ]
    piece = draw(st.sampled_from(pieces))
    body[at : at + draw(st.integers(0, 3))] = piece if isinstance(piece, bytes) else bytes([piece])
    return bytes(body)


@pytest.mark.parametrize("guilty", [name for name in CANONICALS if name != "py"])
@given(body=damaged() | st.binary(max_size=60))
def test_twins_agree(guilty: str, body: bytes) -> None:
    outcomes = []
    for module in (CANONICALS[guilty], CANONICALS["py"]):
        scratch = module.Canonical((b"a", b"model"), (b"b", b"tools"))
        outcomes.append((scratch.form(body), *(getattr(scratch, name) for name in LEARNED), scratch.digest(b"p", body)))
    assert outcomes[0] == outcomes[1]
