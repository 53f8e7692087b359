"""Conditions judged twice: by our compiler, and by cel-python, an implementation of CEL by others.

What a condition comes to is "true", "false" or "error". Where the two differ, ``DIFFERENCES`` says so and why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import celpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.routing.cel import compile_condition
from tests.routing.test_cel import FALSE, TRUE, facts

ORACLE = celpy.Environment()
HEAD = b"POST / HTTP/1.1\r\nhost: gateway\r\nx-tier: Gold\r\n\r\n"
HEADERS = {"host": "gateway", "x-tier": "Gold"}
MISSING = 'headers.nope == "a"'
INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1


def ours(source: str, model: str = "mm") -> str:
    condition = compile_condition(source)
    held, why = condition.explain(facts(head=HEAD, model=model))
    assert condition.holds(facts(head=HEAD, model=model)) is held
    return "true" if held else "false" if why == "it is false" else "error"


def theirs(source: str, model: str = "mm") -> str:
    asked = {
        "headers": HEADERS,
        "model": model,
        "operation": "chat",
        "dialect": "anthropic",
        "stream": True,
        "body_bytes": 40_000,
        "prompt_tokens": 10_000,
        "max_tokens": -1,
        "principal": {"name": "team-a", "id": "file:virtual_key/team-a"},
        "budget_left": float("inf"),
    }
    values: dict[str, Any] = {name: celpy.json_to_cel(value) for name, value in asked.items()}
    values["now"] = celpy.celtypes.TimestampType(datetime.now(UTC))
    try:
        return "true" if ORACLE.program(ORACLE.compile(source)).evaluate(values) else "false"
    except (celpy.CELEvalError, celpy.CELParseError):
        return "error"
    except OverflowError as error:
        return type(error).__name__


DIFFERENCES = [
    # Ours is wider: a field's name is a name in whatever letters.
    ('headers["X-TIER"] == "Gold"', "true", "error"),
    # cel-python has not what the language definition has: numbers of different types compared by value ...
    ("1 == 1.0 && 1u == 1 && 2u < 2.5", "true", "error"),
    ("1 < 1.5", "true", "error"),
    ("2.0 in [1, 2]", "true", "error"),
    ('"b" in ["a", "b"] && !(3 in [1, 2]) && 2.0 in [1, 2]', "true", "error"),
    # ... the extension of strings ...
    ('"ÀB".lowerAscii() == "Àb" && "äb".upperAscii() == "äB"', "true", "error"),
    # ... a comma behind a list's last value ...
    ('["a", "b"][1] == "b" && size([1, 2, 3,]) == 3 && [] == []', "true", "error"),
    # ... and raw strings that end with a backslash.
    (r"""r"\".size() == 1 && r'a\' + "b" == "a\\b" """.strip(), "true", "error"),
    # It writes booleans and doubles as Python does ("True", "3.0").
    ('string(42) == "42" && string(true) == "true" && string(2.5) == "2.5" && string(3.0) == "3"', "true", "false"),
    # It knows neither \? nor \` nor \X, loses line ends within """ ...
    (r"""size("\?") == 1""", "true", "false"),
    (r"""size("\`") == 1""", "true", "false"),
    (r"""'\X42' == "B" """.strip(), "true", "false"),
    ('size("""a\nb""") == 3', "true", "false"),
    # ... finds nothing in strings that were put together, and divides doubles by zero to +inf always.
    ('("a" + "b").contains("a")', "true", "error"),
    ("1.0 / -0.0 < 0.0", "true", "false"),
    ("-1.0 / 0.0 < 0.0", "true", "false"),
    ("0.0 / 0.0 > 0.0", "false", "true"),
    # Its calendar raises what Python's does.
    ('timestamp("0001-01-01T00:00:00Z").getHours("America/New_York") == 19', "error", "OverflowError"),
    ('[double("inf")].exists(n, int(n) > 0)', "error", "OverflowError"),
    # Ours fails where the division of the two does, as cel-go.
    ("(-9223372036854775808) % -1 == 0", "error", "true"),
]


@pytest.mark.parametrize(("source", "our", "their"), DIFFERENCES)
def test_differences_are_as_told(source: str, our: str, their: str) -> None:
    assert (ours(source), theirs(source)) == (our, their)


TOLD = {source for source, _, _ in DIFFERENCES}
COMPARED = [source for source in f"{TRUE}{FALSE}".strip().splitlines() if source and source not in TOLD]


@pytest.mark.parametrize("source", COMPARED)
def test_the_tables_of_our_own(source: str) -> None:
    assert theirs(source) == ours(source)


INTS = (0, 1, -1, 2, 7, -7, INT_MAX, INT_MIN)
UINTS = (0, 1, 2, 7, UINT_MAX)


def exact(a: int, sign: str, b: int) -> int | None:
    if sign in "/%" and b == 0:
        return None
    towards_zero = 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return {"+": a + b, "-": a - b, "*": a * b, "/": towards_zero, "%": a - b * towards_zero}[sign]


@pytest.mark.parametrize("sign", "+-*/%")
def test_integers(sign: str) -> None:
    for a, b in product(INTS, INTS):
        found = exact(a, sign, b)
        source = f"({a}) {sign} ({b}) == {found if found is not None and INT_MIN <= found <= INT_MAX else 0}"
        if (a, sign, b) == (INT_MIN, "%", -1):
            continue  # told above
        wanted = "error" if found is None or not INT_MIN <= found <= INT_MAX else "true"
        assert (ours(source), theirs(source)) == (wanted, wanted), source
    for a, b in product(UINTS, UINTS):
        found = exact(a, sign, b)
        source = f"{a}u {sign} {b}u == {found if found is not None and 0 <= found <= UINT_MAX else 0}u"
        wanted = "error" if found is None or not 0 <= found <= UINT_MAX else "true"
        assert (ours(source), theirs(source)) == (wanted, wanted), source


DOUBLES = ("0.0", "-0.0", "1.5", "-2.25", "1e300", "-1e300", "5e-324", 'double("inf")', 'double("nan")')


@pytest.mark.parametrize("sign", "+-*/")
@pytest.mark.parametrize("relation", ["==", "<"])
def test_doubles(sign: str, relation: str) -> None:
    for a, b in product(DOUBLES, DOUBLES):
        if sign == "/" and b in ("0.0", "-0.0"):
            continue  # told above
        source = f"{a} {sign} {b} {relation} {a}"
        assert ours(source) == theirs(source), source


@pytest.mark.parametrize("relation", ["<", "<=", ">", ">=", "==", "!="])
def test_relations(relation: str) -> None:
    alike: list[tuple[str, ...]] = [
        tuple(map(str, INTS)),
        tuple(f"{number}u" for number in UINTS),
        DOUBLES,
        ('""', '"a"', '"A"', '"ab"', '"é"', '"z"', '"\\U0001F600"', '"\\uffff"'),
        ("true", "false"),
        (
            'timestamp("2026-01-01T00:00:00Z")',
            'timestamp("2026-01-01T02:00:00+02:00")',
            'timestamp("2026-01-01T00:00:00.5Z")',
        ),
        ('duration("60s")', 'duration("1m")', 'duration("-1h")', 'duration("0.5s")', 'duration("500ms")'),
    ]
    for values in alike:
        for a, b in product(values, values):
            source = f"{a} {relation} {b}"
            assert ours(source) == theirs(source), source


SIDES = ("true", "false", MISSING)


@pytest.mark.parametrize(("a", "b"), list(product(SIDES, SIDES)))
def test_errors_on_either_side(a: str, b: str) -> None:
    for source in (f"({a}) && ({b})", f"({a}) || ({b})", f"!(({a}) && ({b}))", f"!(({a}) || ({b}))"):
        assert ours(source) == theirs(source), source
    for c in SIDES:
        for source in (
            f"({a}) ? ({b}) : ({c})",
            f"({a}) && ({b}) && ({c})",
            f"({a}) || ({b}) || ({c})",
            f"({a}) && ({b}) || ({c})",
            f"({a}) || ({b}) && ({c})",
            f"(({a}) || ({b})) && !({c})",
        ):
            assert ours(source) == theirs(source), source


@pytest.mark.parametrize("macro", ["exists", "all"])
def test_errors_among_values(macro: str) -> None:
    for values in product((0, 1, 2), repeat=3):
        source = f"[{', '.join(map(str, values))}].{macro}(n, 2 / n == 1)"
        assert ours(source) == theirs(source), source


TEXTS = ("", "a", "mm", "Gold", "gold", "é", "😀", "a\nb", "abab")


@pytest.mark.parametrize("text", TEXTS)
def test_texts(text: str) -> None:
    for other in TEXTS:
        quoted = '"' + other.replace("\n", "\\n") + '"'
        for source in (
            f"model.startsWith({quoted})",
            f"model.endsWith({quoted})",
            f"model.contains({quoted})",
            f"model + {quoted} == {quoted} + model",
            f"size(model) == {quoted}.size()",
            f"model in [{quoted}, {quoted} + model]",
            f"[{quoted}].exists(t, t == model)",
            f"{quoted} in headers",
            f"headers[model] == {quoted}",
        ):
            if other.lower() in HEADERS and other not in HEADERS:
                continue
            assert ours(source, text) == theirs(source, text), (source, text)


LITERALS = {
    r'"\a\b\f\n\r\t\v\"' + r"\'" + '"': "\a\b\f\n\r\t\v\"'",
    r"'\x41\u00e9\U0001F600\101'": "A\u00e9\U0001f600A",
    r'r"\n\x41"': r"\n\x41",
    r"R'\u00e9'": r"\u00e9",
    '"//"': "//",
    "''": "",
    '"""it\'s "so\\n"""': "it's \"so\n",
    r'r"""\n"""': r"\n",
    "r'''a'b'''": "a'b",
}


@pytest.mark.parametrize("literal", LITERALS)
def test_literals(literal: str) -> None:
    meant = LITERALS[literal]
    for source, text in ((f"{literal} == model", meant), (f"{literal} != model", meant + "x")):
        assert (ours(source, text), theirs(source, text)) == ("true", "true")


@pytest.mark.parametrize("number", ["0x10", "0xffffffffffffffff", "-0x10", "007", "1e3", "1.5E-3", ".5", "1u", "0x1fu"])
def test_numbers(number: str) -> None:
    try:
        value = ORACLE.program(ORACLE.compile(number)).evaluate({})
    except celpy.CELEvalError:
        with pytest.raises(ValueError, match="too large"):
            compile_condition(f"{number} == 0")
        return
    wanted = (
        f"{int(value)}u"
        if number.endswith("u")
        else repr(float(value))
        if "." in number or "e" in number
        else int(value)
    )
    assert ours(f"{number} == {wanted}") == "true"


CONVERTED = (
    *("0", "42", "-7", "+7", "007", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.5", "1e3"),
    *("", "x", "0x10", "1.", ".5", "-0.0", "inf"),
)


@pytest.mark.parametrize("text", CONVERTED)
def test_conversions_of_texts(text: str) -> None:
    for source in ("double(model) >= 0.0", "double(model) == 1.5", "string(model) == model"):
        assert ours(source, text) == theirs(source, text), (source, text)
    for source in ("int(model) >= 0", "int(model) == 7", "string(int(model)) == model"):
        if text == "0x10":
            # cel-python takes hexadecimal digits; cel-go and the language definition do not.
            assert (ours(source, text), theirs(source, text) != "error") == ("error", True)
            continue
        assert ours(source, text) == theirs(source, text), (source, text)


@pytest.mark.parametrize("text", [" 1", "1_0", "\u0661", "1 ", "\n1", "--1"])
def test_what_python_alone_takes_for_a_number(text: str) -> None:
    assert ours("int(model) == int(model)", text) == "error"
    assert ours("double(model) == double(model)", text) == "error"


def test_conversions_of_numbers() -> None:
    for number in (
        "2.9",
        "-2.9",
        "0.0",
        "1e18",
        "1e19",
        "-1e19",
        "9.3e18",
        'double("nan")',
        "7u",
        "7",
    ):
        # Of a variable: what fails for certain is refused when it is compiled.
        source = f"[{number}].exists(n, int(n) > 0)"
        assert ours(source) == theirs(source), source
    for source in ("[18446744073709551615u].exists(n, int(n) > 0)", "double(3) == 3.0", "double(7u) == 7.0"):
        assert ours(source) == theirs(source), source


MOMENTS = (
    "2026-11-26T23:30:45Z",
    "2024-02-29T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "2026-03-29T01:00:00Z",
    "2000-01-01T00:00:00-08:00",
)
PARTS = {
    "FullYear": 3000,
    "Month": 12,
    "Date": 32,
    "DayOfMonth": 32,
    "DayOfWeek": 7,
    "DayOfYear": 366,
    "Hours": 24,
    "Minutes": 60,
    "Seconds": 60,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("part", PARTS)
def test_parts_of_dates(moment: str, part: str) -> None:
    for zone in ("", '"UTC"', '"America/New_York"', '"Asia/Kolkata"', '"+05:45"', '"-08:00"'):
        call = f'timestamp("{moment}").get{part}({zone})'
        value = ORACLE.program(ORACLE.compile(call)).evaluate({})
        assert 0 <= value < PARTS[part]
        assert ours(f"{call} == {int(value)}") == "true", call


def test_dates_and_lengths() -> None:
    moment, length = 'timestamp("2026-01-31T12:00:00Z")', 'duration("36h")'
    for source in (
        f"{moment} + {length} == timestamp('2026-02-02T00:00:00Z')",
        f"{length} + {moment} == timestamp('2026-02-02T00:00:00Z')",
        f"{moment} - {length} == timestamp('2026-01-30T00:00:00Z')",
        f"{moment} - timestamp('2026-01-01T00:00:00Z') == duration('732h')",
        f"{length} - duration('1h30m') == duration('34.5h')",
        f"{length} + {length} > duration('71h59m59.999s')",
        f"int({moment}) == 1769860800",
        "int(timestamp('1969-12-31T23:59:59Z')) == -1",
        "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90 && duration('90m').getSeconds() == 5400",
        "timestamp('9999-12-31T23:59:59Z') + duration('1s') > now",
        "now > timestamp('2024-01-01T00:00:00Z') && now.getFullYear() > 2023",
    ):
        assert ours(source) == theirs(source), source


PATTERNS = ("m", "^m+$", "^[a-z]{2}$", "(ab)*$", "^a|d$", r"\w", ".", "^$", "[^m]", "G?old")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(pattern: str) -> None:
    for text in TEXTS:
        source = f'model.matches(r"{pattern}")'
        assert ours(source, text) == theirs(source, text), (source, text)


# --- any condition of right types


def joined(*parts: Any) -> st.SearchStrategy[str]:
    return st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts)).map("".join)


QUOTED = st.sampled_from(
    ['""', '"a"', '"mm"', '"Gold"', "'x-tier'", 'r"a"', '"é"', "model", "headers.nope", 'headers["x-tier"]']
)
TEXT = st.recursive(QUOTED, lambda inner: joined("(", inner, " + ", inner, ")"), max_leaves=3)
LEAVES = st.sampled_from(["0", "1", "-1", "2", "7", "body_bytes", "max_tokens", "9223372036854775807", "n.size()"])
INT = st.recursive(
    LEAVES.map(lambda leaf: "size(model)" if leaf == "n.size()" else leaf) | joined("size(", TEXT, ")"),
    lambda inner: joined("(", inner, st.sampled_from([" + ", " - ", " * ", " / ", " % "]), inner, ")"),
    max_leaves=4,
)
DOUBLE = st.recursive(
    st.sampled_from(["0.0", "1.5", "-2.0", "budget_left", "1e308"]) | joined("double(", INT, ")"),
    lambda inner: (
        joined("(", inner, st.sampled_from([" + ", " - ", " * "]), inner, ")")
        | joined("(", inner, " / ", st.sampled_from(["1.5", "-4.0"]), ")")
    ),
    max_leaves=3,
)
SIGNS = st.sampled_from([" == ", " != ", " < ", " <= ", " > ", " >= "])
ATOM = (
    st.sampled_from(["true", "false", "stream", "has(headers.host)", "has(headers.nope)"])
    | joined(INT, SIGNS, INT)
    | joined(DOUBLE, SIGNS, DOUBLE)
    | joined(TEXT, SIGNS, TEXT)
    | joined(TEXT, st.sampled_from([".startsWith(", ".endsWith("]), TEXT, ")")
    | joined(QUOTED, ".contains(", TEXT, ")")
    | joined(TEXT, " in [", TEXT, ", ", TEXT, "]")
    | joined(INT, " in [", INT, ", ", INT, "]")
    | joined("'x-tier'", " in headers")
    | joined("[", INT, ", ", INT, "]", st.sampled_from([".exists(", ".all("]), "n, n", SIGNS, INT, ")")
)
BOOL = st.recursive(
    ATOM,
    lambda inner: (
        joined("(", inner, st.sampled_from([" && ", " || "]), inner, ")")
        | joined("!(", inner, ")")
        | joined("(", inner, " ? ", inner, " : ", inner, ")")
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(BOOL)
def test_any_condition(source: str) -> None:
    assert ours(source) == theirs(source)
