"""AWS signatures (SigV4) of finished requests, by botocore's own signer."""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import Any

from gateway.credentials.outcome import Outcome

SERVICE = "bedrock"
"""What Bedrock's endpoints want to be signed for, whatever their host is called."""

SIGNED = (b"host", b"content-type")
"""Beside those that begin with ``x-amz-``. What others add or change on the way would break a signature over it."""


OWN = (b"authorization", b"x-amz-date", b"x-amz-security-token")
"""What a signature consists of; configured fields of these names are left out."""


async def prepare() -> None:
    """Import the signer beside the loop: a tenth of a second."""
    await asyncio.get_running_loop().run_in_executor(None, load)


def load() -> tuple[Any, Any, Any]:
    """botocore's signer, its request and its credentials."""
    # At level debug it writes what it signs, session tokens included.
    logging.getLogger("botocore").setLevel(logging.INFO)
    return (
        import_module("botocore.auth").SigV4Auth,
        import_module("botocore.awsrequest").AWSRequest,
        import_module("botocore.credentials").Credentials,
    )


class Signer:
    """Signs with one pair of keys for one region."""

    def __init__(self, keys: Outcome, region: str) -> None:
        signer, self.request, credentials = load()
        pair = credentials(keys.access_key_id, keys.token, keys.session_token or None)
        self.auth = signer(pair, SERVICE, region)

    def sign(self, data: bytes, scheme: str) -> bytes:
        """``data`` (a whole request, its head first) with the fields of its signature at the head's end."""
        end = data.index(b"\r\n\r\n")
        head, body = data[:end], data[end + 4 :]
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split(b" ")
        kept = [first]
        fields: dict[str, str] = {}
        for line in lines:
            name, _, rest = line.partition(b":")
            name = name.lower()
            if name in OWN:
                continue
            kept.append(line)
            if name in SIGNED or name.startswith(b"x-amz-"):
                text, value = name.decode("latin-1"), rest.strip().decode("latin-1")
                fields[text] = f"{fields[text]},{value}" if text in fields else value
        text = target.decode("latin-1")
        # Through a proxy for plain http the target is the whole address already.
        url = f"{scheme}://{fields['host']}{text}" if text.startswith("/") else text
        request = self.request(method.decode(), url, data=body, headers=fields)
        self.auth.add_auth(request)
        for name, value in request.headers.items():
            if name.lower() not in fields:
                kept.append(f"{name}: {value}".encode("latin-1"))
        return b"\r\n".join((*kept, b"", body))
