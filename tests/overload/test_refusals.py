"""What those are told who are turned away."""

from __future__ import annotations

import json

import pytest

from gateway.overload.refusals import MESSAGES, WAITS_S, Reason, Refusals
from providers.operations import Dialect

ID = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("dialect", [dialect for dialect in Dialect if dialect])
def test_every_reason_in_every_dialect(reason: Reason, dialect: Dialect) -> None:
    response = Refusals().of(reason, int(dialect), ID)
    assert response.status == 503
    assert response.spoken
    assert MESSAGES[reason] in json.dumps(json.loads(response.body))
    assert b"x-should-retry: true\r\n" in response.headers
    assert response.headers.count(b"retry-after:") == 1
    # Never another request's id, nor the stand-in.
    assert b"0" * 32 not in response.body


def test_the_id_of_the_request_is_in_it() -> None:
    refusals = Refusals()
    for _ in range(4):
        assert json.loads(refusals.of(0, int(Dialect.OPENAI_CHAT), ID).body)["error"]["request_id"] == ID.decode()


def test_those_refused_together_are_not_told_to_come_back_together() -> None:
    refusals = Refusals()
    headers = {refusals.of(0, 1, ID).headers for _ in range(9)}
    assert headers == {b"retry-after: %d\r\nx-should-retry: true\r\n" % wait for wait in WAITS_S}
