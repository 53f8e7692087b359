"""References, and the type that keeps secrets out of every text."""

import copy
import json
import logging
import pickle
from pathlib import Path

import msgspec
import pytest

from gateway.config.references import MAX_FILE_BYTES, Resolver, Secret

CANARY = "sk-canary-123"


def test_what_is_no_reference_stays(tmp_path: Path) -> None:
    resolver = Resolver({}, str(tmp_path))
    for value in ("plain", "env", "env.", "env.a-b", "file.", "environment.X", ""):
        assert resolver.resolve(value) == value


def test_environment() -> None:
    resolver = Resolver({"KEY": "env.OTHER", "EMPTY": ""}, "/")
    assert resolver.resolve("env.KEY") == "env.OTHER"
    with pytest.raises(ValueError, match="environment variable MISSING is not set"):
        resolver.resolve("env.MISSING")
    with pytest.raises(ValueError, match="environment variable EMPTY is empty"):
        resolver.resolve("env.EMPTY")


def test_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    resolver = Resolver({}, str(tmp_path))
    assert resolver.resolve("file.key") == CANARY
    assert resolver.resolve(f"file.{tmp_path}/key") == CANARY
    for name, why in (
        ("none", "No such file"),
        ("empty", "is empty"),
        ("binary", "not UTF-8"),
        ("large", "larger than"),
    ):
        with pytest.raises(ValueError, match=why):
            resolver.resolve(f"file.{name}")


@pytest.mark.parametrize("value", ["a\nb", "ü", "a\x00"])
def test_what_no_header_could_carry(value: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII on one line"):
        Resolver({}, "/").secret(value)


def test_spaces_around_a_credential() -> None:
    with pytest.raises(ValueError, match="begin or end with a space"):
        Resolver({"K": " x"}, "/").secret("env.K")


def test_where_it_came_from() -> None:
    resolver = Resolver({"K": CANARY}, "/")
    assert resolver.secret("env.K").source == "env.K"
    assert resolver.secret(CANARY).source == ""


def test_no_text_ever_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{[secret]}", f"{secret:>30}"]
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s", secret)
    assert all(CANARY not in text for text in [*shown, caplog.text])
    assert "[secret]" in caplog.text
    for serialise in (pickle.dumps, json.dumps, msgspec.json.encode, msgspec.msgpack.encode, copy.deepcopy):
        with pytest.raises(TypeError):
            serialise(secret)
    assert not hasattr(secret, "__dict__")


def test_comparison() -> None:
    assert Secret("a") == Secret("a", "env.A") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
    assert not Secret("")
