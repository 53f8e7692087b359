"""The admin API against its own OpenAPI document: whatever is sent, no answer is a 5xx or other than described.

Operations are driven through the gateway's port, as an operator's program asks. Half of what is sent fits the document,
half does not; half of it is aimed at entities that exist, with the version they have.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.control.permissions import PERMISSIONS
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.rounds import measured, rounds
from tests.live.test_entities_api import Api
from tests.live.upstreams import Upstream

EXAMPLES = rounds(short=3, full=60)
"""Of each operation and each kind of data."""
OPERATIONS = sorted((path, method.lower()) for path, methods in PERMISSIONS.items() for method in methods)
ENDLESS = {"/api/live"}
"""Streams, which whoever reads a whole answer waits for in vain; tests/live/test_live_view.py reads them."""
TRIED: Counter[str] = Counter()


class Served:
    """An instance with something of each kind, and its document."""

    def __init__(self, api: Api, upstream: str) -> None:
        self.api = api
        self.url = f"http://127.0.0.1:{api.gateway.port}"
        self.token = api.token()
        self.upstream = upstream
        self.document = api.told("GET", "/api/schema/openapi.json")
        self.number = 0

    def there(self, path: str) -> tuple[dict[str, str], str]:
        """Path parameters of something that exists, and its version; nothing where there is none of it."""
        if path.startswith("/api/settings/"):
            return {}, f'"{self.api.told("GET", path)["version"]}"'
        kind = path.split("/")[2]
        if kind not in BODIES or "{" not in path:
            return {}, '"1"'
        entries = [each for each in self.api.told("GET", f"/api/{kind}")["entries"] if each.get("source") != "file"]
        # The first ones are what others need; what is removed is made again.
        if len(entries) < 2:
            entries.append(self.make(kind))
        one = entries[-1]
        parameters = {path.partition("{")[2].partition("}")[0]: one["id"]}
        if "{key_name}" in path:
            parameters["key_name"] = one["spec"].get("keys", [{"name": "none"}])[0]["name"]
        return parameters, f'"{one.get("version", 1)}"'

    def make(self, kind: str) -> dict[str, Any]:
        self.number += 1
        body = json.loads(
            json.dumps(BODIES[kind]).replace("UPSTREAM", self.upstream).replace("NUMBER", str(self.number))
        )
        made: dict[str, Any] = self.api.told(
            "POST", f"/api/{kind}", {"name": f"made-{self.number}", **body}, status=201
        )
        return made


BODIES: dict[str, dict[str, Any]] = {
    "customers": {"spec": {}},
    "teams": {"spec": {}},
    "virtual-keys": {"spec": {}},
    "providers": {
        "spec": {"dialect": "openai_chat", "base_url": "UPSTREAM", "keys": [{"name": "k", "value": "sk-0123456789"}]},
        "allow_private": True,
    },
    "routes": {"spec": {"targets": ["mock/m"]}},
    "prices": {"spec": {"model": "made-NUMBER", "input": 1, "output": 1}},
    "operators": {"role": "viewer", "password": "a long enough password"},
}


@pytest.fixture(scope="module")
def served(upstream_for_module: Upstream, start_for_module: Start) -> Iterator[Served]:
    api = Api(start_for_module(configuration(upstream_for_module.url)))
    yield Served(api, upstream_for_module.url)
    measured("operations", len(OPERATIONS), "all of them")
    measured("requests", TRIED.total(), "all answered as described")
    measured("answers by status", dict(sorted(TRIED.items())), "none of 5xx but 503 with a reason")


def test_every_declared_operation_is_described(served: Served) -> None:
    described = {(path, method) for path, methods in served.document["paths"].items() for method in methods}
    assert described == set(OPERATIONS)
    names = [
        operation["operationId"] for methods in served.document["paths"].values() for operation in methods.values()
    ]
    assert len(set(names)) == len(names)
    assert served.document["openapi"].startswith("3.1.")


def test_specs_are_typed(served: Served) -> None:
    """A client made from the document knows the members of what it sends and gets."""
    schemas = served.document["components"]["schemas"]
    for name, schema in schemas.items():
        if name == "ConfigReport":  # its file is a file's name
            continue
        for member in ("spec", "file"):
            if member in schema.get("properties", {}):
                told = schema["properties"][member]
                types = [each["$ref"] for each in told.get("oneOf", [told]) if "$ref" in each]
                assert len(types) == 1, (name, member)
                assert schemas[types[0].rpartition("/")[2]]["additionalProperties"] is False, (name, member)
    assert schemas["VirtualKey"]["properties"]["limits"]["items"] == {"$ref": "#/components/schemas/LimitEntry"}


@pytest.mark.parametrize(("path", "method"), [each for each in OPERATIONS if each[0] not in ENDLESS])
def test_every_answer_is_as_described(served: Served, path: str, method: str) -> None:
    import schemathesis
    from hypothesis import HealthCheck, Phase, assume, given, settings
    from hypothesis import strategies as st
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(served.document)
    operation = schema[path][method]
    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
    ]
    bearer = {"Authorization": f"Bearer {served.token}"}
    if PERMISSIONS[path][method.upper()] is None:
        bearer = {}

    def probe(case: Any, aimed: bool) -> None:
        # Nothing here writes TOML.
        assume(case.media_type != "application/toml")
        if aimed:
            parameters, version = served.there(path)
            case.path_parameters = {**(case.path_parameters or {}), **parameters}
            if "If-Match" in (case.headers or {}):
                case.headers["If-Match"] = version
        response = case.call(base_url=served.url, headers=bearer, timeout=30)
        TRIED[str(response.status_code)] += 1
        case.validate_response(response, checks=held)

    quiet = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        # Shrinking would ask a hundred times more.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        for mode in GenerationMode:

            @quiet
            @given(case=operation.as_strategy(generation_mode=mode), aimed=st.booleans())
            def ask(case: Any, aimed: bool) -> None:
                probe(case, aimed)

            ask()
    finally:
        if path.startswith("/api/settings/") and (version := served.api.told("GET", path)["version"]):
            served.api.told("DELETE", path, version=version, status=204)
