"""What nobody sends by accident: quotes for a database, broken JSON, numbers out of range. Never a 500."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from gateway.control.permissions import PERMISSIONS
from tests.control.process import Control
from tests.live.rounds import measured

TEXTS = (
    "'; DROP TABLE entities; --", '" OR 1=1 --', "') UNION SELECT body FROM entities --", "%' OR '1'='1", "\\'; --",
    "a\0b", "\u202e", "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd", "x" * 20_000, "\ud7ff\U0010ffff", "=1+1",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[]", b"null", b"1e999", b'"x"', b"[" * 5000, b'{"name":' + b"9" * 5000 + b"}", b"\xff\xfe",
    b'{"name":"a","name":"b","spec":{}}', b'{"name":"\\ud800","spec":{}}', b'{"spec":{"expires":1e400}}',
    b'{"name":"n","spec":{"expires":-1}}', b'{"name":"n","spec":{"limits":[{"requests":99999999999999999999}]}}',
)  # fmt: skip


ANSWERS: Counter[int] = Counter()
"""Status -> how often."""


@pytest.fixture(scope="module")
def open_control(running: Control) -> Iterator[Control]:
    yield running
    measured("requests with quotes, broken JSON and numbers out of range", ANSWERS.total(), "0 x 500")
    measured("of these answered with 500 or more", sum(n for status, n in ANSWERS.items() if status >= 500), "0")


def attempts(path: str, method: str) -> Iterator[tuple[str, bytes | None, dict[str, str]]]:
    """(path, body, fields) of requests to one route."""
    name = "{" in path
    parts = path.partition("{")[0]
    rest = path.partition("}")[2] if name else ""
    for text in TEXTS:
        hostile = quote(text[:4000], safe="")
        here = f"{parts}{hostile[:6000]}{rest}" if name else path
        query = "" if name else "?" + "&".join(f"{field}={hostile[:300]}" for field in QUERIES)
        body = None if method == "GET" else json.dumps(dict.fromkeys(FIELDS, text)).encode()
        yield here + query, body, {"if_match": '"1"'}
        if method != "GET":
            members = {"name": "hostile", "spec": {"models": [text], "providers": [text], "targets": [text]}}
            yield here, json.dumps(members).encode(), {"if_match": '"1"'}
    concrete = f"{parts}x{rest}" if name else path
    for body in BODIES if method != "GET" else ():
        yield concrete, body, {"if_match": '"1"'}
    for field in ('"', '"-1"', '"1", "2"', "*", 'W/"1"', '"99999999999999999999"', "'; --"):
        yield concrete, b"{}" if method != "GET" else None, {"if_match": field}


QUERIES = ("cursor", "limit", "since", "until", "key", "provider", "model", "request_id", "entity_id", "all", "status")
FIELDS = ("name", "password", "secret", "role", "current", "new", "spec", "expires_at", "drop", "enabled")


NOT_HERE = {"/api/secrets/rotate", "/api/logout"}
"""Takes no text, or ends the session."""
ONE_OF_MANY = "/api/settings/retry"
"""Groups of settings have the same handlers."""


def here(path: str) -> bool:
    return path == ONE_OF_MANY or not path.startswith("/api/settings/")


@pytest.mark.parametrize(
    ("path", "method"),
    sorted((p, m) for p, methods in PERMISSIONS.items() for m in methods if p not in NOT_HERE and here(p)),
)
def test_no_route_breaks(open_control: Control, path: str, method: str) -> None:
    bearer = f"Bearer {open_control.token()}"
    for here, body, fields in attempts(path, method):
        media = {} if body is None else {"content_type": "application/json"}
        answer = open_control.ask(method, here, body, authorization=bearer, **media, **fields)
        ANSWERS[answer.status] += 1
        assert answer.status < 500, (here, body, answer.body)
        assert b"Traceback" not in answer.body
        assert answer.status < 400 or b"sqlite" not in answer.body.lower()
    assert open_control.get("/api/operators").status == 200


def test_no_credential_breaks_it(open_control: Control) -> None:
    for text in TEXTS[:-1]:
        safe = text[:3000].encode("ascii", "ignore").decode().replace("\0", "")
        for fields in (
            {"authorization": f"Bearer {safe}"},
            {"cookie": f"microgate_session={safe}"},
            {"x_api_key": safe},
        ):
            status = open_control.ask("GET", "/api/me", **fields).status
            ANSWERS[status] += 1
            assert status == 401
