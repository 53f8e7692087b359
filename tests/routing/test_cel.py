"""Conditions: what they are, what they say, and what is no condition."""

from __future__ import annotations

import gc
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.cel import ConditionError, compile_condition
from gateway.routing.facts import FACTS, HIDDEN, Facts
from providers.operations import Dialect, Operation

HEAD = b"POST / HTTP/1.1\r\nHost: gateway\r\nX-Tier:  Gold \r\nX-Tier: silver\r\nAuthorization: Bearer secret\r\n\r\n"


def facts(**more: Any) -> Facts:
    snapshot = SimpleNamespace(principals={7: "team-a"}, principal_ids={7: "file:virtual_key/team-a"})
    x = {
        "head": HEAD,
        "model": "mm",
        "operation": int(Operation.CHAT),
        "dialect": int(Dialect.ANTHROPIC),
        "stream": True,
        "body": b"x" * 40_000,
        "body_length": 40_000,
        "max_tokens": -1,
        "principal": SimpleNamespace(id_hash=7),
        "view": SimpleNamespace(snapshot=snapshot),
    }
    return Facts(SimpleNamespace(**{**x, **more}))  # type: ignore[arg-type]


TRUE = """
headers["x-tier"] == "Gold"
headers["X-TIER"] == "Gold"
"x-tier" in headers
!("x-none" in headers)
has(headers.host)
headers.host.size() == 7
!has(headers.authorization)
model == "mm"
operation == "chat"
dialect == "anthropic"
stream
body_bytes == 40000 && prompt_tokens == 10000
max_tokens == -1
principal.name == "team-a"
principal.id == "file:virtual_key/team-a" && principal.id.endsWith(principal.name)
budget_left > 1e12
now > timestamp("2024-02-29T00:00:00Z")
now.getFullYear() >= 2025 && now.getHours("America/New_York") < 24
timestamp("2026-11-26T23:30:00Z").getDate("Asia/Tokyo") == 27
timestamp("2026-11-26T23:30:00Z").getDayOfWeek() == 4
timestamp("2026-11-26T23:30:00Z").getMonth() == 10
timestamp("2026-11-26T23:30:00+05:00") == timestamp("2026-11-26T18:30:00Z")
timestamp("2026-01-02T00:00:00Z") - timestamp("2026-01-01T00:00:00Z") == duration("24h")
timestamp("2026-01-01T00:00:00Z") + duration("1m30s") == timestamp("2026-01-01T00:01:30Z")
duration("-1.5s") < duration("0s")
duration("90m").getHours() == 1
headers.nope == "a" || true
true || headers.nope == "a"
!(headers.nope == "a" && false)
1 / 0 == 1 || 2 > 1
false ? 1 / 0 == 1 : true
7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1 && 7 % -3 == 1
2 + 3 * 4 == 14 && (2 + 3) * 4 == 20 && 10 - 2 - 3 == 5
1 == 1.0 && 1u == 1 && 2u < 2.5
1.5 / 0.0 > 1e300
0x1F == 31 && 1e3 == 1000.0 && .5 == 0.5
"a" + "b" == "ab" && "a" < "b" && "A" < "a"
"a\\tb".size() == 3 && r"a\\tb".size() == 4
'\\u00e9' == "é" && "\\x41\\101\\U0001F600" == "AA😀"
\"\"\"it's "so\"\"\" == 'it\\'s "so'
"abc".startsWith("ab") && "abc".endsWith("bc") && "abc".contains("b") && !"abc".contains("")  == false
"ÀB".lowerAscii() == "Àb" && "äb".upperAscii() == "äB"
"v1.2.3".matches("^v[0-9]+\\\\.[0-9]{1,3}") && !"x".matches("^v")
"b" in ["a", "b"] && !(3 in [1, 2]) && 2.0 in [1, 2]
["a", "b"].exists(t, t == "b") && ["a", "b"].all(t, t.size() == 1) && ![1, 2].exists(n, n > 2)
[1, 0].exists(n, 1 / n == 1)
[[1], [2]].exists(inner, inner[0] == 2)
["a", "b"][1] == "b" && size([1, 2, 3,]) == 3 && [] == []
int("42") == 42 && int(2.9) == 2 && int("-7") == -7 && double("1.5") == 1.5 && double(3) == 3.0
string(42) == "42" && string(true) == "true" && string(2.5) == "2.5" && string(3.0) == "3"
-9223372036854775808 < 0
r"\\".size() == 1 && r'a\\' + "b" == "a\\\\b"
timestamp("2026-11-26T23:30:00Z").getHours("-08:00") == 15
model.matches("^(m+)+$") && !headers.host.matches("\\\\d$")
double("inf") > 1e300 && !(double("nan") == double("nan"))
![double("nan")].exists(n, n in [n])
!!true // the rest is a comment
"""
FALSE = """
headers.nope == "a"
headers.authorization == "Bearer secret"
9223372036854775807 + 1 > 0
-(-9223372036854775808) > 0
0u - 1u == 0u
1 / 0 == 0
1 % 0 == 0
int(model) == 0
[1][1] == 1
[0].all(n, 1 / n == 1)
headers.nope == "a" && true
(-9223372036854775808) % -1 == 0
(-9223372036854775808) / -1 == 0
timestamp("0001-01-01T00:00:00Z").getHours("America/New_York") == 19
timestamp("9999-12-31T23:59:59Z") + duration("1s") > now
"""
WRONG = """
|expected a value
model|a condition is true or false
modle == "a"|did you mean model
1 +|expected a value
1 == |expected a value
(true|expected )
true true|expected the end
true && 1|joins bools
!1|takes a bool
-"a" == "a"|takes an int or a double
1 + 1.0 == 2.0|does not take int and double
1 + "a" == "1a"|does not take int and string
"a" == 1|does not compare
"a" in "abc"|does not look for
[1, "a"] == []|values of one type
model.nope()|no function nope
model.nope == 1|has no member
nope("a") == 1|no function nope
has(model)|member of headers
headers == headers|does not compare
principal == principal|does not compare
principal.secret == ""|nothing is called principal.secret
"a|without its end
"\\q" == ""|escape that means nothing
"\\ud800" == ""|no character
1a == 1|a number ends in
99999999999999999999 == 1|too large
@|unexpected character
model = "a"|unexpected character
if == 1|reserved word
stream ? 1 : "a"|have one type
model.matches("(?=a)")|( and (?: only
model.matches("[")|no pattern
0X1 == 1|a number ends in
1e999 > 0.0|too large
now.getHours("+25:00") == 1|no time zone
now.getHours("../UTC") == 1|no time zone
now.getHours("America") == 1|no time zone
model.matches(model)|in quotes
timestamp("yesterday") == now|no time
duration("soon") > duration("1s")|no duration
now.getHours("Mars/Olympus") == 1|no time zone
int("x") == 0|no integer
double("1e999") > 0.0|no number
int(1e30) == 0|integer overflow
[1].exists(n, n)|a test is true or false
"""


@pytest.mark.parametrize("source", TRUE.strip().splitlines())
def test_true(source: str) -> None:
    condition = compile_condition(source)
    assert condition.explain(facts()) == (True, "it holds")
    assert condition.holds(facts())


@pytest.mark.parametrize("source", FALSE.strip().splitlines())
def test_false_by_an_error(source: str) -> None:
    condition = compile_condition(source)
    assert not condition.holds(facts())
    held, why = condition.explain(facts())
    assert not held
    assert why != "it is false"


@pytest.mark.parametrize("line", WRONG.strip("\n").splitlines())
def test_no_condition(line: str) -> None:
    source, _, said = line.rpartition("|")
    with pytest.raises(ConditionError) as caught:
        compile_condition(source)
    assert said in str(caught.value)
    assert 0 <= caught.value.at <= len(source)


@pytest.mark.parametrize(
    "source",
    [
        "true" + " " * 5000,
        "(" * 40 + "true" + ")" * 40,
        "!" * 40 + "true",
        f"1 in [{'1,' * 300}]",
        "[" * 40 + "1" + "]" * 40 + " == []",
        "1" + "+1" * 1900 + " > 0",
        "1.0" + "*1.0" * 900 + " > 0.0",
        "true" + "==true" * 600,
        "model" + ".lowerAscii()" * 200 + ' == ""',
        "stream" + "?stream:stream" * 100,
        "((((" + "1" + "+1" * 20 + ")" + "+1" * 20 + ")" + "+1" * 20 + ")" + "+1" * 20 + ") > 0",
        f"[{'1,' * 100}].exists(a, [{'1,' * 100}].exists(b, a > b))",
        "[[1], [2]].exists(a, a.exists(b, a.exists(c, c > 1)))",
    ],
)
def test_bounds(source: str) -> None:
    with pytest.raises(ConditionError):
        compile_condition(source)


@pytest.mark.parametrize("sign", ["&&", "||"])
def test_many_parts_are_not_many_levels(sign: str) -> None:
    many = sign.join(["true"] * 650)
    assert compile_condition(many).holds(facts())
    assert compile_condition(f"!(({many}) && headers.nope == many)".replace("many", '"x"')).holds(facts()) is False


def test_a_text_is_not_doubled_without_end() -> None:
    source = "[model + model].exists(a, [a + a].exists(b, [b + b].exists(c, [c + c].exists(d, size(d) > 0))))"
    assert compile_condition(source).holds(facts(model="m" * 1000))
    assert not compile_condition(source).holds(facts(model="m" * 10_000))


def test_errors_that_are_passed_over_leave_nothing_behind() -> None:
    condition = compile_condition('headers.nope == "a" && !(headers.nope == "b" || [1, 0].all(n, 1 / n == 1))')
    here = facts()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            assert not condition.holds(here)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["host: gateway\\r\\nauthorization", "host: gateway", "x tier", "", "é", " x-tier"])
def test_what_is_no_name_of_a_field_finds_nothing(name: str) -> None:
    for source in (f'headers["{name}"] != "x"', f'"{name}" in headers', f'headers["{name}" + ""] != "x"'):
        assert not compile_condition(source).holds(facts())


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_credentials_cannot_be_seen(name: str) -> None:
    here = facts(head=f"POST / HTTP/1.1\r\n{name}: secret\r\n\r\n".encode())
    for source in (f'headers["{name}"] != ""', f'headers["{name.upper()}"] != ""', f'"{name}" in headers'):
        assert not compile_condition(source).holds(here)
        assert "secret" not in compile_condition(source).explain(here)[1]


def test_a_model_of_half_a_character_is_no_field() -> None:
    assert not compile_condition("headers[model] == model").holds(facts(model="\ud800"))


def test_size_of_an_upload_that_is_not_held() -> None:
    assert compile_condition("body_bytes == 5").holds(facts(body=b"", body_length=5))
    assert compile_condition("body_bytes == 0").holds(facts(body=b"", body_length=-1))


def test_every_fact_is_of_its_type() -> None:
    types = {"string": str, "bool": bool, "int": int, "double": float, "timestamp": datetime}
    for kind, value in FACTS.values():
        assert type(value(facts())) is types[kind]


def test_says_what_it_looks_at() -> None:
    assert compile_condition('headers.a == "b" || prompt_tokens > 3').uses == {"headers", "prompt_tokens"}
    assert "principal.name" in compile_condition('principal.name == "x"').uses


@given(st.text(st.sampled_from("ab01. \"'\\()[]!&|=<>+-*/%?:,u")) | st.text())
def test_any_text(source: str) -> None:
    try:
        condition = compile_condition(source)
    except ConditionError:
        return
    condition.holds(facts())


@given(st.binary(max_size=60))
def test_any_head(value: bytes) -> None:
    value = value.replace(b"\r", b"").replace(b"\n", b"")
    value_of = 'headers["x-a"]'
    source = f'int({value_of}) > 3 || {value_of}.matches("^[a-z]+$") || double({value_of}) < 1.0'
    condition = compile_condition(source)
    condition.holds(facts(head=b"POST / HTTP/1.1\r\nx-a: " + value + b"\r\n\r\n"))
