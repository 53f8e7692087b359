"""docs/api.md names every route, error, response field and bound there is, and no other."""

import re
from pathlib import Path

from gateway.errors import KINDS
from gateway.phases.route import STATEFUL_SEGMENTS
from gateway.server.routes import ANY_BODY, DATA, JSON, METRICS, MULTIPART, NO_BODY, PUBLIC, ROUTES, UNIONS
from gateway.snapshot.model import ServerLimits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
BODIES = {NO_BODY: "none", JSON: "JSON", MULTIPART: "multipart", ANY_BODY: "any"}


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in lines]


def test_every_route_is_named_with_its_methods_and_body_and_no_other() -> None:
    told = {}
    for path, methods, body, _, deployments in rows(PAGE.partition("\n## ")[0]):
        path = path.strip("`")
        said = frozenset(methods.split(", ")), body
        told[path] = said
        if path.startswith("/v1/"):
            rest = path.removeprefix("/v1")
            told["/openai" + rest] = told["/openai/v1" + rest] = said
            if deployments:
                told["/openai/deployments/{}" + rest] = said
    # Under the unions stand those of SDKs, without their prefix; of two the one of the first prefix.
    for prefix in ("/openai/v1", "/openai", "/anthropic", "/genai", "/bedrock", "/cohere"):
        for path, said in list(told.items()):
            rest = path.removeprefix(prefix)
            if rest not in (path, "", "/") and rest.startswith("/") and "{}" not in rest:
                for union in UNIONS:
                    told.setdefault(union + rest, said)
    methods_of = {route.path: frozenset(m.decode() for m in route.methods if m != b"HEAD") for route in ROUTES}
    assert told == {route.path: (methods_of[route.path], BODIES[route.body]) for route in ROUTES}
    assert all(b"HEAD" in route.methods for route in ROUTES if b"GET" in route.methods)


def test_stateful_routes_are_marked() -> None:
    marked = {row[0].strip("`") for row in rows(PAGE.partition("\n## ")[0]) if row[3].startswith("stateful: ")}
    assert marked == {
        route.path for route in ROUTES if route.stateful and route.path.startswith(("/v1/", "/anthropic/"))
    }


def test_audiences_are_told() -> None:
    told = {row[0]: row[1] for row in rows(section("Who may ask"))}
    public = " ".join(path for path, credential in told.items() if credential == "none")
    assert set(re.findall(r"`([^`]+)`", public)) == {route.path for route in ROUTES if route.audience == PUBLIC}
    assert {route.path for route in ROUTES if route.audience == METRICS} == {"/metrics"}
    operator = re.findall(r"`([^`]+)`", next(path for path, who in told.items() if "operator" in who))
    for route in ROUTES:
        beginning = "/" + route.path.split("/")[1]
        assert (beginning in operator) == (route.audience not in (PUBLIC, METRICS, DATA)), route.path


def test_every_kind_of_error_is_told() -> None:
    told = {
        (int(status), kind.strip("`"), code)
        for status, kind, codes in rows(section("Errors"))
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert told == {(kind.status, kind.type, kind.code) for kind in KINDS.values()}


def test_every_field_that_is_added_is_told() -> None:
    sources = [
        ROOT / "gateway" / name for name in ("relay.py", "serving.py", "server/connection.py", "cache/answers.py")
    ]
    written = set(re.findall(r"(x-(?:microgate|ratelimit)-[a-z-]+): ", "".join(path.read_text() for path in sources)))
    assert len(written) == 7
    limits = (ROOT / "gateway" / "phases" / "refusing.py").read_text()
    written |= {f"x-ratelimit-{word}-requests" for word in re.findall(r"x-ratelimit-(\w+)-%b: ", limits)}
    assert len(written) == 10
    assert sorted(field for field in written if f"`{field}`" not in section("Answers")) == []


def test_bounds_are_the_defaults() -> None:
    limits = ServerLimits()
    text = section("Limits")
    for name in ("json_body_bytes", "binary_body_bytes", "binary_hold_bytes"):
        assert f"`server.limits.{name}`, {getattr(limits, name) >> 20} MiB" in text
    assert f"{limits.header_bytes >> 10} KiB, {limits.header_count} fields" in text
    assert f"{limits.target_bytes:,} bytes" in text


def test_segments_named_are_stateful() -> None:
    named = re.search(r"objects of an account \(([^)]+)\)", section("Passing through"))
    assert named is not None
    assert {name.encode() for name in re.findall(r"`(\w+)`", named[1])} <= STATEFUL_SEGMENTS
