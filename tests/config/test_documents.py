"""Three languages, one value; every mistake with its line and column."""

import pytest

from gateway.config.documents import MAX_DEPTH, parse, positions
from gateway.config.problems import ConfigError


def wrong(text: str, source: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, source)
    return str(caught.value)


def test_the_same_in_three_languages() -> None:
    wanted = {"a": {"b": [1, 2.5, True, None, "x"]}, "c": "d"}
    assert parse("a:\n  b: [1, 2.5, true, ~, x]\nc: d\n", "f.yaml") == wanted
    assert parse('{"a": {"b": [1, 2.5, true, null, "x"]}, "c": "d"}', "f.json") == wanted
    wanted["a"] = {"b": [1, 2.5, True, "x"]}
    assert parse('c = "d"\n[a]\nb = [1, 2.5, true, "x"]\n', "f.toml") == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("012", "012"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("True", True),
        ("Null", None),
        ("2026-01-31", "2026-01-31"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("+.inf", float("inf")),
    ],
)
def test_yaml_scalars_by_the_core_schema(text: str, value: object) -> None:
    if text == "-":
        assert parse("a: '-'", "f.yaml") == {"a": "-"}
    else:
        assert parse(f"a: {text}", "f.yaml") == {"a": value}


def test_yaml_anchors_and_merge() -> None:
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {<<: [{x: 9}, *b]}\n"
    base = {"x": 1, "y": 2}
    assert parse(text, "f.yaml") == {"base": base, "one": base, "two": {"x": 1, "y": 3}, "three": {"x": 9, "y": 2}}


@pytest.mark.parametrize("source", ["f.yaml", "f.json", "f.toml"])
def test_nothing(source: str) -> None:
    if source == "f.json":
        assert "f.json:1:1: not valid JSON: Expecting value" in wrong("", source)
    else:
        assert not parse("", source)


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        ("f.yaml", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: a occurs twice in one mapping"),
        ("f.yaml", "x:\n  - {a: 1, a: 2}\n", "f.yaml:2:12: a: a occurs twice in one mapping"),
        ("f.yaml", "a: [1, 2\nb: 3", "f.yaml:2:2: not valid YAML: while parsing a flow sequence"),
        ("f.yaml", "a: b: c", "f.yaml:1:5: not valid YAML: mapping values are not allowed"),
        ("f.yaml", "a: \x07", "f.yaml:1:4: not valid YAML: "),
        ("f.yaml", "a: 1\n---\nb: 2\n", "f.yaml:2:1: only one document is expected in the file"),
        ("f.yaml", "a: *x", "f.yaml:1:4: the anchor x is not defined before this alias"),
        ("f.yaml", "a: !!python/object:os.system x", "is not supported"),
        ("f.yaml", "? [a]\n: 1", "f.yaml:1:3: a key must be plain text"),
        ("f.yaml", "a: {<<: 1}", "f.yaml:1:5: << can only merge mappings"),
        ("f.json", '{"a": 1,\n "b": {"c": 1, "c": 2}}', "f.json:2:16: b.c: c occurs twice in one object"),
        ("f.json", '{"a" 1}', "f.json:1:6: not valid JSON: Expecting ':' delimiter"),
        ("f.toml", "a = 1\na = 2\n", "f.toml:2:6: not valid TOML: Cannot overwrite a value"),
        ("f.toml", "a = ", "f.toml:1:1: not valid TOML: Invalid value"),
    ],
)
def test_mistakes(source: str, text: str, message: str) -> None:
    assert message in wrong(text, source)


def test_a_small_file_cannot_become_a_large_value() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 9):
        text += f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    assert "nested too deeply or too large" in wrong(text, "f.yaml")
    deep = "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)
    assert "nested too deeply or too large" in wrong(deep, "f.yaml")
    assert "nested too deeply or too large" in wrong("[" * 100_000, "f.json")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("f.yaml", "a:\n  b:\n    - c: 1\n    - c: 2\n      d: 3\n"),
        ("f.json", '{"a":\n {"b": [\n  {"c": 1},\n{"c": 2, \n    "d": 3}]}}'),
        ("f.toml", "[a]\n\n[[a.b]]\nc = 1\n[[a.b]]\nd = 3\n"),
    ],
)
def test_positions(source: str, text: str) -> None:
    found = positions(text, source)
    line, column = found[("a", "b", 1, "d")]
    assert text.splitlines()[line - 1][column - 1 :].lstrip('"').startswith("d")
    assert found[("a",)][0] == 1


@pytest.mark.parametrize(("source", "text"), [("f.yaml", "a: {}"), ("f.json", '{{"a": {}}}'), ("f.toml", "a = {}")])
def test_a_number_of_thousands_of_digits_is_a_mistake(source: str, text: str) -> None:
    with pytest.raises(ConfigError, match="a number has too many digits"):
        parse(text.format("9" * 5000), source)
