"""The 340 documents of JSONTestSuite, and what is worst at 1 MiB, are judged right by both implementations."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.corpus.rows import Row, read
from tests.speedups.twins import twins

MIB = 1 << 20
SCANS = twins("_scan")


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[Row]:
    found = read(corpus / "json-torture" / "jsontestsuite.jsonl")
    assert len(found) == 340
    return found


def test_every_document(scan: ModuleType, rows: list[Row]) -> None:
    verdicts = {"accept": (True,), "reject": (False,), "either": (True, False)}
    wrong = [row["name"] for row in rows if scan.validate(row["raw"]) not in verdicts[row["expected"]]]
    assert wrong == []


def test_every_document_as_a_value_in_a_body(scan: ModuleType, rows: list[Row]) -> None:
    """Inside an object the verdict is the same, apart from documents that close brackets which they did not open."""
    for row in rows:
        if row["expected"] != "either" and not row["name"].startswith(
            ("n_structure", "n_object", "n_array", "n_multi")
        ):
            body = b'{"x":' + row["raw"] + b"}"
            assert scan.JsonScan().scan(body) is (row["expected"] == "accept"), row["name"]


def test_twins_agree(rows: list[Row]) -> None:
    for row in rows:
        for body in (row["raw"], b'{"x":' + row["raw"] + b"}"):
            outcomes = set()
            for module in SCANS.values():
                found = module.JsonScan()
                outcomes.add((found.scan(body), found.error, found.error_offset, found.close, found.stateful))
            assert len(outcomes) == 1, row["name"]


@pytest.mark.parametrize(
    ("start", "middle", "end"),
    [
        (b"", b"[", b""),
        (b"", b'{"a":', b""),
        (b'{"x":[', b"[],", b"1]}"),
        (b'{"x":[', b"[[[[[[[1]]]]]]],", b"1]}"),
        (b'{"x":[', b"1,", b"}"),
        (b'{"x":["', b"\\u00e9", b'"]}'),
        (b'{"x":["', b"\\\\", b"]}"),
        (b'{"x":["', "é".encode(), b'"]}'),
        (b'{"x":"', b"\xf0\x9f\x98\x80", b'\xf0"}'),
        (b"{", b'"a":1,', b'"b":2}'),
        (b"{", b'"mode\\u006c1":1,', b'"b":2}'),
        (b'{"x":{', b'"file\\u005fid1":1,', b'"b":2}}'),
        (b'{"x":', b"1", b"}"),
        (b'{"x":', b" ", b"1}"),
        (b'{"x":[', b'{"a":{"a":{"a":{"a":{"a":2}}}}},', b"1]}"),
        (b'{"x":[', b"[" * 500 + b"1" + b"]" * 500 + b",", b"1]}"),
        (b'{"x":[', b"[" * 1021 + b"1" + b"]" * 1021 + b",", b"x]}"),
    ],
)
def test_the_worst_of_one_mebibyte_is_bounded(scan: ModuleType, start: bytes, middle: bytes, end: bytes) -> None:
    """No form costs more than a small multiple of any other: a bound wide enough for any machine that runs tests."""
    body = start + middle * (MIB // len(middle)) + end
    began = time.process_time()
    found = scan.JsonScan()
    found.scan(body)
    assert time.process_time() - began < 5


CANONICALS = twins("_canonical")


def test_canonical_forms_of_every_document(rows: list[Row]) -> None:
    """What the scan accepts has a form that it accepts again; twins agree on the rest too."""
    for row in rows:
        for body in (row["raw"], b'{"x":' + row["raw"] + b',"a":0}'):
            forms = {module.Canonical().form(body) for module in CANONICALS.values()}
            assert len(forms) == 1, row["name"]
            made = forms.pop()
            if SCANS["py"].JsonScan().scan(body):
                assert made is not None, row["name"]
                assert SCANS["py"].JsonScan().scan(made), row["name"]
                assert CANONICALS["py"].Canonical().form(made) == made, row["name"]
