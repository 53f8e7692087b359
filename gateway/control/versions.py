"""ETags of entities (RFC 9110 8.8.3): who changes one says which version they have seen."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException

_ETAG = re.compile(r'"(\d{1,15})"')


class PreconditionRequired(ClientException):
    """RFC 6585 section 3."""

    status_code = 428


def etag_of(version: int) -> str:
    return f'"{version}"'


def expected_version(request: Request[Any, Any, Any]) -> int:
    """Of the ``If-Match`` field. Raises PreconditionRequired without one, ClientException for another form."""
    given = request.headers.get("if-match")
    if given is None:
        raise PreconditionRequired("send the entity's ETag as If-Match")
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise ClientException("If-Match is not an ETag of this API")
    return int(found[1])
